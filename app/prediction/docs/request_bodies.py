"""The bodies that the POST routes take, with examples that run."""

import csv
import io
from typing import Any, Final

from app.prediction.http.content_types import JSON, TENSORS
from app.prediction.protocols.invocations import FORMATS
from app.prediction.protocols.tensor_inputs import NUMBERS, inputs_of
from app.prediction.scoring.model import Model
from pipeline.core.manifest import Scalar

Document = dict[str, Any]

BINARY: Final[Document] = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "JSON, and the bytes of tensors behind it; the header Inference-Header-Content-Length says where it ends",
    }
}
RECORD: Final = {"$ref": "#/components/schemas/Record"}


def request_bodies(model: Model | None, record: dict[str, Scalar]) -> Document:
    """Return the request bodies of all POST routes but /predict, by path."""
    names, values = list(record), list(record.values())
    table = _csv(names, values)
    curve = {"record": record, "feature": names[0] if names else ""}
    tensors = [
        {"name": each["name"], "datatype": each["datatype"], "shape": [1], "data": [record[each["name"]]]}
        for each in (inputs_of(model) if model else [])
    ]
    return {
        "/predict/csv": {"text/csv": {"schema": {"type": "string"}, "example": table}},
        "/explain": {JSON: {"schema": {"oneOf": [RECORD, records(1)]}, "example": record}},
        "/curve": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["record", "feature"],
                    "properties": {
                        "record": RECORD,
                        "feature": {"type": "string", **({"enum": names} if names else {})},
                    },
                    "additionalProperties": False,
                },
                "example": curve,
            }
        },
        "/invocations": {
            JSON: {
                "schema": _invocation(),
                "examples": {
                    "dataframe_split": {"value": {"dataframe_split": {"columns": names, "data": [values]}}},
                    "dataframe_records": {"value": {"dataframe_records": [record]}},
                    "instances": {"value": {"instances": [record]}},
                    "inputs": {"value": {"inputs": {name: [value] for name, value in record.items()}}},
                },
            },
            "text/csv": {"schema": {"type": "string"}, "example": table},
        },
        "/v2/models/{name}/infer": {JSON: {"schema": _infer(), "example": {"inputs": tensors}}, TENSORS: BINARY},
    }


def _invocation() -> Document:
    """Return the schema of a request in MLflow's scoring protocol: one of the formats, and perhaps parameters."""
    names = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    rows = {"type": "array", "minItems": 1}
    rows_or_columns = {"oneOf": [rows, {"type": "object"}]}
    split = {"type": "object", "required": ["data"], "properties": {"columns": names, "data": rows}}
    formats: Document = {
        "dataframe_split": split,
        "dataframe_records": records(),
        "instances": rows_or_columns,
        "inputs": rows_or_columns,
    }
    assert tuple(formats) == FORMATS
    common: Document = {"params": {"type": ["object", "null"]}, "signature_name": {}}
    return {
        "oneOf": [
            {
                "type": "object",
                "required": [name],
                "properties": {name: schema, **common},
                "additionalProperties": False,
            }
            for name, schema in formats.items()
        ]
    }


def _infer() -> Document:
    """Return the schema of an Open Inference Protocol request."""
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"type": "string"},
            "datatype": {"enum": ["BYTES", *NUMBERS]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            "data": {"type": "array"},
        },
    }
    inputs = {"type": "array", "items": tensor, "minItems": 1}
    return {"type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}


def records(max_rows: int | None = None) -> Document:
    """Return the schema of a list of records, at most `max_rows`."""
    most = {"maxItems": max_rows} if max_rows else {}
    return {"type": "array", "items": RECORD, "minItems": 1, **most}


def _csv(names: list[str], values: list[Scalar]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, ["" if value is None else value for value in values]])
    return out.getvalue()
