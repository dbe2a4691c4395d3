"""The OpenAPI document, made from the live model: its real features, their ranges as hints, examples that run.

Paths, summaries and tags come from FastAPI; bodies and answers from here. Pure.
"""

import csv
import io
from typing import Any, Final

from app.prediction.http.content_types import JSON, TENSORS
from app.prediction.http.request_guard import DATA_PATHS
from app.prediction.protocols.invocations import FORMATS
from app.prediction.protocols.tensor_inputs import NUMBERS, inputs_of
from app.prediction.scoring.model import Model, example_record
from app.prediction.scoring.responses import build_responses
from app.prediction.scoring.rows import MAX_TEXT, Rows
from pipeline.core.bundle import Feature, Scalar
from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import choice_title

Document = dict[str, Any]

PROBLEMS: Final = {
    "400": "The body is not JSON, or has no rows",
    "403": "A browser sent it for a page of another origin (only where the API has no key)",
    "408": "The body did not arrive in time",
    "413": "Too large, or too many rows",
    "415": "The body states no content type that is accepted here, or is compressed",
    "421": "The host name is not one that the API answers to (only where it has no key)",
    "422": "A value cannot be used; `errors` names row, field, value and what was expected",
    "429": "The quota of rows is used up (only where the API was started with one)",
    "500": "Internal error",
    "503": "No model is live yet, or there is too little memory at the moment",
}
UNAUTHORIZED: Final = "The API key is missing or wrong"
NEEDS_MODEL: Final = ("/model", "/stats", "/ping", "/v2/models/{name}", "/v2/models/{name}/ready")
# Of the framework's own 422, which nothing here returns.
FRAMEWORK_SCHEMAS: Final = frozenset({"HTTPValidationError", "ValidationError"})
# What the row reader takes for a feature.
KINDS: Final[dict[str, Document]] = {
    "numeric": {"type": ["number", "null"], "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX},
    "boolean": {"type": ["boolean", "integer", "null"], "enum": [True, False, 1, 0, None]},
    "categorical": {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_TEXT},
}
BINARY: Final[Document] = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "JSON, and the bytes of tensors behind it; the header Inference-Header-Content-Length says where it ends",
    }
}
RECORD: Final = {"$ref": "#/components/schemas/Record"}


def document(base: Document, model: Model | None, version: str, *, max_rows: int, has_key: bool) -> Document:
    """Return `base`, FastAPI's own document, completed for `model`; None before the first model.

    A request has at most `max_rows` rows. `has_key`: predictions and data need the API key.
    """
    paths = dict(base["paths"])
    record = example_record(model.manifest.features) if model else {}
    paths["/predict"] = {"post": _predict(record, _example_answer(model, record) if model else None, max_rows)}
    for path, content in _bodies(model, record).items():
        operation = paths[path]["post"]
        operation.pop("requestBody", None)
        paths[path] = {"post": {**operation, "requestBody": {"required": True, "content": content}}}
    for path, methods in paths.items():
        for operation in methods.values():
            # FastAPI's own 422 is of a shape that nothing here has.
            own = {code: response for code, response in operation["responses"].items() if code != "422"}
            operation["responses"] = {**own, **_problems(path, operation, has_key=has_key)}
            if has_key and ("requestBody" in operation or path in DATA_PATHS):
                operation["security"] = [{"key": []}]
    paths["/v2/models/{name}/infer"]["post"]["responses"]["200"]["content"][TENSORS] = BINARY
    paths["/predict/csv"]["post"]["responses"]["200"]["content"] = {"text/csv": {"schema": {"type": "string"}}}
    return {
        **base,
        "info": {"title": _title(model), "version": version, "description": _description(model)},
        # First what most readers look for.
        "paths": {"/predict": paths.pop("/predict"), **paths},
        "tags": [{"name": "prediction"}, {"name": "explanation"}],
        "components": {
            "schemas": {
                **{
                    name: schema
                    for name, schema in base["components"]["schemas"].items()
                    if name not in FRAMEWORK_SCHEMAS
                },
                "Record": _record(model),
                "Prediction": _prediction(model),
                "Problem": _problem(),
            },
            **({"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}} if has_key else {}),
        },
    }


def _title(model: Model | None) -> str:
    return f"Predicts {model.manifest.target}" if model else "Prediction API"


def _description(model: Model | None) -> str:
    if model is None:
        return "No model is live yet: predictions return 503 until the first run has deployed one."
    manifest = model.manifest
    metric = manifest.metrics.get(manifest.primary_metric)
    name = metric_in_sentence(manifest.primary_metric)
    scored = f", {name} {metric:.4g} on {manifest.n_test:,} test rows" if metric is not None else ""
    return (
        f"Version {manifest.version}, {choice_title(manifest.estimator)}, trained on {manifest.n_train:,} rows{scored}. "
        "Every response names the model version. Features that you leave out or send as null are imputed as in "
        "training and listed in `imputed`; columns that training left out are ignored; other names are refused."
    )


def _predict(record: dict[str, Scalar], answer: Document | None, max_rows: int) -> Document:
    content: Document = {"schema": {"oneOf": [RECORD, _records(max_rows)]}}
    prediction: Document = {"$ref": "#/components/schemas/Prediction"}
    ok: Document = {"schema": {"oneOf": [prediction, {"type": "array", "items": prediction}]}}
    if record:
        content["examples"] = {
            "one": {"summary": "One record", "value": record},
            "many": {"summary": "Several records", "value": [record, dict.fromkeys(record)]},
        }
        ok["example"] = answer
    return {
        "tags": ["prediction"],
        "summary": "Predict for one record or several",
        "operationId": "predict",
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": {"200": {"description": "An object for one record, a list for a list", "content": {JSON: ok}}},
    }


def _records(max_rows: int | None = None) -> Document:
    most = {"maxItems": max_rows} if max_rows else {}
    return {"type": "array", "items": RECORD, "minItems": 1, **most}


def _bodies(model: Model | None, record: dict[str, Scalar]) -> Document:
    """Return the request bodies of all other POST routes, by path."""
    names, values = list(record), list(record.values())
    table = _csv(names, values)
    curve = {"record": record, "feature": names[0] if names else ""}
    tensors = [
        {"name": each["name"], "datatype": each["datatype"], "shape": [1], "data": [record[each["name"]]]}
        for each in (inputs_of(model) if model else [])
    ]
    return {
        "/predict/csv": {"text/csv": {"schema": {"type": "string"}, "example": table}},
        "/explain": {JSON: {"schema": {"oneOf": [RECORD, _records(1)]}, "example": record}},
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
        "dataframe_records": _records(),
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


def _example_answer(model: Model, record: dict[str, Scalar]) -> Document:
    numeric, categorical = model.rows([record])
    rows = Rows(numeric, categorical, single=True)
    return build_responses(model, rows, model.score(numeric, categorical), "3f2a9c1e-1")[0]


def _csv(names: list[str], values: list[Scalar]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, ["" if value is None else value for value in values]])
    return out.getvalue()


def _record(model: Model | None) -> Document:
    if model is None:
        return {"type": "object"}
    features = model.manifest.features
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{feature.name: _feature(feature) for feature in features},
            **{name: {"description": "Ignored: training left it out."} for name in model.manifest.left_out},
        },
        "example": example_record(features),
    }


def _feature(feature: Feature) -> Document:
    parts = [feature.description, f"Unit: {feature.unit}." if feature.unit else ""]
    if feature.kind == "numeric" and feature.low is not None and feature.high is not None:
        parts.append(f"Usually {feature.low:g} to {feature.high:g}; other values are accepted too.")
    if feature.kind == "categorical":
        parts.append(f"Usually one of: {', '.join(feature.categories[:20])}; other texts are accepted too.")
    if feature.missing_share:
        parts.append(f"Missing in {feature.missing_share:.1%} of the training rows.")
    schema: Document = {**KINDS[feature.kind], "description": " ".join(part for part in parts if part)}
    if feature.typical is not None:
        schema["examples"] = [feature.typical]
    return schema


def _prediction(model: Model | None) -> Document:
    kinds = {"integer": "integer", "boolean": "boolean", "number": "number", "string": "string"}
    is_regression = model is not None and model.task == "regression"
    properties: Document = {
        "prediction": {"type": "number" if is_regression or model is None else kinds[model.manifest.class_type]},
        "model_version": {"type": "integer", "description": "Version of the model"},
        "request_id": {"type": "string", "description": "Your X-Request-Id, or a generated one"},
        "imputed": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Features that were missing and imputed",
        },
    }
    if not is_regression:
        of = "the positive class" if model is None or model.task == "binary" else "the predicted class"
        properties["probability"] = {"type": "number", "description": f"Of {of}"}
        properties["probabilities"] = {"type": "object", "additionalProperties": {"type": "number"}}
    if model is not None and model.task == "binary":
        properties["threshold"] = {
            "type": ["number", "null"],
            "description": "Decision threshold: at or above this probability the class is positive",
        }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _problem() -> Document:
    names = ("type", "title", "detail", "id", "what", "why", "fix", "command", "request_id")
    always: Document = {
        **{name: {"type": "string"} for name in names},
        "status": {"type": "integer"},
        "retryable": {"type": "boolean"},
    }
    value: Document = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"]},
            "field": {"type": "string"},
            "value": {},
            "problem": {"type": "string"},
        },
        "required": ["row", "field", "value", "problem"],
    }
    sometimes: Document = {
        "errors": {"type": "array", "items": value, "description": "The first values that cannot be used (API-03)"},
        "example": {"type": "object", "description": "A record that works (API-03)"},
        "run_url": {"type": "string", "description": "Where to start a run (API-05)"},
        "error": {"type": "string", "description": "The problem in one line (Open Inference Protocol)"},
    }
    return {
        "type": "object",
        "description": "RFC 9457; ids are listed in docs/errors.md",
        "properties": {**always, **sometimes},
        "required": list(always),
        "additionalProperties": False,
    }


def _problems(path: str, operation: Document, *, has_key: bool) -> Document:
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes: dict[str, str] = {}
    if "requestBody" in operation:
        codes = dict(PROBLEMS)
    elif path in NEEDS_MODEL:
        codes = {"503": "No model is live yet"}
    if path in DATA_PATHS:
        codes["421"] = PROBLEMS["421"]
    if has_key and ("requestBody" in operation or path in DATA_PATHS):
        codes["401"] = UNAUTHORIZED
    if "{name}" in path:
        codes["404"] = "This model or version is not served"
    return {code: {"description": codes[code], "content": schema} for code in sorted(codes)}
