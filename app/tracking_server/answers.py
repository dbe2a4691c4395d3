"""Answers of our own: RFC 9457 problem details, with the two members by which MLflow's clients read an error."""

from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse

ERROR_CODES: Final = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    413: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    507: "RESOURCE_EXHAUSTED",
}


def problem(status: int, detail: str) -> JSONResponse:
    """Return the answer with this status, one of ERROR_CODES."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error_code": ERROR_CODES[status],
        "message": detail,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
