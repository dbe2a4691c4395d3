"""What the API refuses, as responses of one shape."""

from fastapi.responses import JSONResponse

from app.prediction.rows import RowsError
from app.prediction.service import NoModelError
from app.web.problem_response import problem_response
from pipeline.core.problems import ProblemError


def refusal(problem: ProblemError, request_id: str, **more: object) -> JSONResponse:
    """The problem as a response, with what belongs to its kind; `more` are further members of the body."""
    extra: dict[str, object] = {"request_id": request_id, **more}
    headers: dict[str, str] = {}
    if isinstance(problem, RowsError):
        extra |= {"errors": problem.errors, "example": problem.example}
    if isinstance(problem, NoModelError):
        headers["Retry-After"] = "5"
        if problem.run_url:
            extra["run_url"] = problem.run_url
            headers["Link"] = f'<{problem.run_url}>; rel="monitor"'
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(problem, headers=headers, **extra)


def check_json(content_type: str) -> None:
    """Raise ProblemError API-07 (415) for what is announced as something other than JSON in UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind in {"application/json", ""} and all(each.replace('"', "") in {"charset=utf-8", ""} for each in parameters):
        return
    raise ProblemError(
        "API-07",
        "The body is not announced as JSON in UTF-8.",
        why=f"Its Content-Type is {content_type[:80]!r}.",
        fix="Send the header Content-Type: application/json. For CSV there is /predict/csv.",
        status=415,
    )


def no_key() -> ProblemError:
    """API-08: this API was started with a key, and the request has none or another."""
    return ProblemError(
        "API-08",
        "The API key is missing or wrong.",
        why="This API was started with API_KEY or API_KEY_FILE.",
        fix="Send the header Authorization: Bearer KEY.",
        status=401,
    )


def coded(coding: str) -> ProblemError:
    """API-07: the body is compressed."""
    return ProblemError(
        "API-07",
        "The body is compressed.",
        why=f"Its Content-Encoding is {coding[:40]!r}; a small one could unfold to any size.",
        fix="Send it as it is.",
        status=415,
    )


def unexpected() -> ProblemError:
    """API-16: a fault of the API or of the model, not of the request."""
    return ProblemError(
        "API-16",
        "The request could not be answered.",
        why="Something failed that was not foreseen; the API's log has the details.",
        fix="Look up the request's id in the API's log, on the panel's page Services.",
        status=500,
    )
