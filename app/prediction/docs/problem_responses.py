"""How the document describes refusals: one schema, and which of them an operation has."""

from typing import Any, Final

from app.prediction.http.request_guard import DATA_PATHS

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
    "503": "No model is live yet, it is being loaded, it cannot be, or there is too little memory at the moment",
}
UNAUTHORIZED: Final = "The API key is missing or wrong"
TOO_MANY_KEYS: Final = "More than 20 wrong keys came from this address within a minute"
NEEDS_MODEL: Final = ("/model", "/stats", "/ping", "/v2/models/{name}", "/v2/models/{name}/ready")


def problem_schema() -> Document:
    """Return the schema of every refusal."""
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


def problem_responses(path: str, operation: Document, *, has_key: bool) -> Document:
    """Return the refusals of an operation by status; `has_key`: predictions and data need the API key."""
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes: dict[str, str] = {}
    if "requestBody" in operation:
        codes = dict(PROBLEMS)
    elif path in NEEDS_MODEL:
        codes = {"503": "No model is live yet, it is being loaded, or it cannot be"}
    if path in DATA_PATHS:
        codes["421"] = PROBLEMS["421"]
    if has_key and ("requestBody" in operation or path in DATA_PATHS):
        codes["401"] = UNAUTHORIZED
        codes["429"] = "; ".join(filter(None, (codes.get("429"), TOO_MANY_KEYS)))
    if "{name}" in path:
        codes["404"] = "This model or version is not served"
    return {code: {"description": codes[code], "content": schema} for code in sorted(codes)}
