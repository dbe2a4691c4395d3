"""The OpenAPI document of the panel's API: FastAPI's own, with the token, and what every route may answer besides. Pure."""

from typing import Any, Final

Document = dict[str, Any]

ALWAYS: Final = {
    "401": "Neither a session nor a valid token",
    "403": "The role or the token's scope does not allow it, or a page of another site sent it",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "421": "The host name is not one that the panel answers to",
    "422": "A value is missing or not valid",
    "429": "Too often; `Retry-After` says when to try again",
    "500": "Internal error",
    "503": "Not possible at the moment; `Retry-After` says when to try again",
}
OF_A_PATH: Final = {"404": "There is no such thing"}
OF_A_CHANGE: Final = {
    "400": "The body broke off",
    "409": "Something else is in the way",
    "507": "The disk is too full",
}
OF_A_DEPLOYMENT: Final = {
    "502": "The prediction API did not accept the version",
    "504": "The prediction API did not serve the version in time",
}
DEPLOYMENTS: Final = ("/api/v1/models/rollback", "/api/v1/models/{version}/promote")
OPEN_PATHS: Final = ("/healthz", "/readyz")
# Of the framework's own 422, which nothing here returns.
FRAMEWORK_SCHEMAS: Final = frozenset({"HTTPValidationError", "ValidationError"})
PROBLEM: Final[Document] = {
    "title": "Problem",
    "description": "What went wrong, why, and what to do (RFC 9457). docs/errors.md has an entry for each id.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "id", "what", "why", "fix", "command", "retryable"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "what", "why", "fix", "command")},
        "id": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "retryable": {"type": "boolean"},
    },
}


def document(base: Document) -> Document:
    """Return `base`, FastAPI's own document, with the security scheme and the problems that each route may answer."""
    for path, methods in base["paths"].items():
        for method, operation in methods.items():
            # FastAPI's own 422 is of a shape that nothing here has.
            own = {code: response for code, response in operation["responses"].items() if code != "422"}
            operation["responses"] = _problems(path, method) | own
            if path in OPEN_PATHS:
                operation["security"] = []
    components = base["components"]
    schemas = {name: schema for name, schema in components["schemas"].items() if name not in FRAMEWORK_SCHEMAS}
    components["schemas"] = {**schemas, "Problem": PROBLEM}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {**base, "security": [{"token": []}]}


def _problems(path: str, method: str) -> Document:
    problems = dict(ALWAYS)
    if "{" in path:
        problems |= OF_A_PATH
    if method != "get":
        problems |= OF_A_CHANGE
    if path in DEPLOYMENTS:
        problems |= OF_A_PATH | OF_A_DEPLOYMENT
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {code: {"description": text, "content": content} for code, text in sorted(problems.items())}
