"""The OpenAPI document, made from the live model: its real features, their ranges as hints, examples that run.

Paths, summaries and tags come from FastAPI; bodies and answers from here. Pure.
"""

import csv
import io
from typing import Any, Final

from app.prediction.protocols.invocations import FORMATS
from app.prediction.protocols.tensor_inputs import NUMBERS, inputs_of
from app.prediction.scoring.model import Model, example_record
from app.prediction.scoring.responses import build_responses
from app.prediction.scoring.rows import Rows
from pipeline.core.bundle import Feature, Scalar
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import choice_title

Document = dict[str, Any]

PROBLEMS: Final = {
    "400": "The body is not JSON, or has no rows",
    "401": "The API key is missing or wrong (only where the API was started with one)",
    "413": "Too large, or too many rows",
    "415": "Content-Type must be application/json (UTF-8)",
    "422": "A value cannot be used; `errors` names row, field, value and what was expected",
    "500": "Internal error",
    "503": "No model is live yet",
}
NEEDS_MODEL: Final = ("/model", "/stats", "/ping", "/v2/models/{name}", "/v2/models/{name}/ready")
# Of the framework's own 422, which nothing here returns.
FRAMEWORK_SCHEMAS: Final = frozenset({"HTTPValidationError", "ValidationError"})
JSON: Final = "application/json"


def document(base: Document, model: Model | None, version: str) -> Document:
    """Return `base`, FastAPI's own document, completed for `model`; None before the first model."""
    paths = dict(base["paths"])
    record = example_record(model.manifest.features) if model else {}
    paths["/predict"] = {"post": _predict(record, _example_answer(model, record) if model else None)}
    for path, content in _bodies(model, record).items():
        operation = paths[path]["post"]
        operation.pop("requestBody", None)
        paths[path] = {"post": {**operation, "requestBody": {"required": True, "content": content}}}
    for path, methods in paths.items():
        for operation in methods.values():
            # FastAPI's own 422 is of a shape that nothing here has.
            own = {code: response for code, response in operation["responses"].items() if code != "422"}
            operation["responses"] = {**own, **_problems(path, operation)}
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
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
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


def _predict(record: dict[str, Scalar], answer: Document | None) -> Document:
    record_schema = {"$ref": "#/components/schemas/Record"}
    content: Document = {"schema": {"oneOf": [record_schema, {"type": "array", "items": record_schema, "minItems": 1}]}}
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


def _bodies(model: Model | None, record: dict[str, Scalar]) -> Document:
    """Return the request bodies of all other POST routes, by path."""
    record_schema = {"$ref": "#/components/schemas/Record"}
    names, values = list(record), list(record.values())
    table = _csv(names, values)
    curve = {"record": record, "feature": names[0] if names else ""}
    tensors = [
        {"name": each["name"], "datatype": each["datatype"], "shape": [1], "data": [record[each["name"]]]}
        for each in (inputs_of(model) if model else [])
    ]
    return {
        "/predict/csv": {"text/csv": {"schema": {"type": "string"}, "example": table}},
        "/explain": {JSON: {"schema": record_schema, "example": record}},
        "/curve": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["record", "feature"],
                    "properties": {"record": record_schema, "feature": {"type": "string", "enum": names}},
                },
                "example": curve,
            }
        },
        "/invocations": {
            JSON: {
                "schema": {"type": "object", "oneOf": [{"required": [each]} for each in FORMATS]},
                "examples": {
                    "dataframe_split": {"value": {"dataframe_split": {"columns": names, "data": [values]}}},
                    "dataframe_records": {"value": {"dataframe_records": [record]}},
                    "instances": {"value": {"instances": [record]}},
                    "inputs": {"value": {"inputs": {name: [value] for name, value in record.items()}}},
                },
            },
            "text/csv": {"schema": {"type": "string"}, "example": table},
        },
        "/v2/models/{name}/infer": {JSON: {"schema": _infer(), "example": {"inputs": tensors}}},
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
        "properties": {feature.name: _feature(feature) for feature in features},
        "example": example_record(features),
    }


def _feature(feature: Feature) -> Document:
    kind = {"numeric": "number", "boolean": "boolean", "categorical": "string"}[feature.kind]
    parts = [feature.description, f"Unit: {feature.unit}." if feature.unit else ""]
    if feature.kind == "numeric" and feature.low is not None and feature.high is not None:
        parts.append(f"Usually {feature.low:g} to {feature.high:g}; other values are accepted too.")
    if feature.kind == "categorical":
        parts.append(f"Usually one of: {', '.join(feature.categories[:20])}; other texts are accepted too.")
    if feature.missing_share:
        parts.append(f"Missing in {feature.missing_share:.1%} of the training rows.")
    schema: Document = {"type": [kind, "null"], "description": " ".join(part for part in parts if part)}
    if feature.example is not None:
        schema["examples"] = [feature.example]
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
    return {"type": "object", "properties": properties}


def _problem() -> Document:
    names = ("type", "title", "detail", "id", "what", "why", "fix", "command", "request_id")
    texts = {name: {"type": "string"} for name in names}
    more = {"status": {"type": "integer"}, "errors": {"type": "array", "items": {"type": "object"}}}
    return {
        "type": "object",
        "description": "RFC 9457; ids are listed in docs/errors.md",
        "properties": {**texts, **more},
    }


def _problems(path: str, operation: Document) -> Document:
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes = PROBLEMS if "requestBody" in operation else {"503": PROBLEMS["503"]} if path in NEEDS_MODEL else {}
    if "{name}" in path:
        codes = {**codes, "404": "This model or version is not served"}
    return {code: {"description": text, "content": schema} for code, text in codes.items()}
