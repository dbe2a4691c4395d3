"""The OpenAPI document, made from the live model: its real features, their ranges as hints, examples that run.

Paths, summaries and tags come from FastAPI; bodies, answers and refusals from here and the modules beside it. Pure.
"""

from typing import Any, Final

from app.prediction.docs.problem_responses import problem_responses, problem_schema
from app.prediction.docs.request_bodies import BINARY, RECORD, records, request_bodies
from app.prediction.http.content_types import JSON, TENSORS
from app.prediction.http.request_guard import DATA_PATHS
from app.prediction.scoring.model import Model, example_record
from app.prediction.scoring.responses import build_responses
from app.prediction.scoring.rows import MAX_TEXT, Rows
from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.manifest import Feature, Scalar
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import choice_title

Document = dict[str, Any]

# Of the framework's own 422, which nothing here returns.
FRAMEWORK_SCHEMAS: Final = frozenset({"HTTPValidationError", "ValidationError"})
# What the row reader takes for a feature.
KINDS: Final[dict[str, Document]] = {
    "numeric": {"type": ["number", "null"], "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX},
    "boolean": {"type": ["boolean", "integer", "null"], "enum": [True, False, 1, 0, None]},
    "categorical": {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_TEXT},
    "date": {"type": ["string", "null"], "maxLength": MAX_TEXT},
    "text": {"type": ["string", "null"]},
}


def document(base: Document, model: Model | None, version: str, *, max_rows: int, has_key: bool) -> Document:
    """Return `base`, FastAPI's own document, completed for `model`; None before the first model.

    A request has at most `max_rows` rows. `has_key`: predictions and data need the API key.
    """
    paths = dict(base["paths"])
    record = example_record(model.manifest.features) if model else {}
    paths["/predict"] = {"post": _predict(record, _example_answer(model, record) if model else None, max_rows)}
    for path, content in request_bodies(model, record).items():
        operation = paths[path]["post"]
        operation.pop("requestBody", None)
        paths[path] = {"post": {**operation, "requestBody": {"required": True, "content": content}}}
    for path, methods in paths.items():
        for operation in methods.values():
            # FastAPI's own 422 is of a shape that nothing here has.
            own = {code: response for code, response in operation["responses"].items() if code != "422"}
            operation["responses"] = {**own, **problem_responses(path, operation, has_key=has_key)}
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
                "Problem": problem_schema(),
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
        "training and listed in `imputed`, those with a category that training has not seen in `unseen`. Texts are read as "
        "the cells of the table were, with its units, marks and words for missing, also where a number is expected. Names "
        "may differ in case and blanks, which `matched` says; columns that training left out are ignored; other names are "
        "refused."
    )


def _predict(record: dict[str, Scalar], answer: Document | None, max_rows: int) -> Document:
    content: Document = {"schema": {"oneOf": [RECORD, records(max_rows)]}}
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


def _example_answer(model: Model, record: dict[str, Scalar]) -> Document:
    numeric, categorical = model.rows([record])
    rows = Rows(numeric, categorical, single=True)
    return build_responses(model, rows, model.score(numeric, categorical), "3f2a9c1e-1")[0]


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
    if feature.kind == "text":
        parts.append("Text of any length.")
    if feature.kind == "date":
        parts.append(
            f"In training from {feature.earliest} to {feature.latest}; other ways to write a date are accepted too."
        )
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
        "unseen": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Features with a category that training has not seen, or a text without any known word",
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
    matched: Document = {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Features for which names were taken that were not sent as they are; only if there are some",
    }
    return {
        "type": "object",
        "properties": {**properties, "matched": matched},
        "required": list(properties),
        "additionalProperties": False,
    }
