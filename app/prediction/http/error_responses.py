"""Problems as HTTP responses of one shape."""

from fastapi.responses import JSONResponse

from app.prediction.availability_problems import (
    NO_MODEL_RETRY_S,
    STARTING_RETRY_S,
    NoModelError,
    NothingIntactError,
    StartingError,
)
from app.prediction.problems import InvalidValuesError, RowQuotaError
from app.web.problem_response import problem_response
from pipeline.core.problems import ProblemError


def error_response(problem: ProblemError, request_id: str, **more: object) -> JSONResponse:
    """Return the response for `problem`; `more` are further members of the body."""
    extra: dict[str, object] = {"request_id": request_id, **more}
    headers: dict[str, str] = {}
    if isinstance(problem, InvalidValuesError):
        extra |= {"errors": problem.errors, "example": problem.example}
    if isinstance(problem, StartingError):
        headers["Retry-After"] = str(STARTING_RETRY_S)
    if isinstance(problem, NoModelError | NothingIntactError):
        headers["Retry-After"] = str(NO_MODEL_RETRY_S)
    if isinstance(problem, NoModelError) and problem.run_url:
        extra["run_url"] = problem.run_url
        headers["Link"] = f'<{problem.run_url}>; rel="monitor"'
    if isinstance(problem, RowQuotaError):
        headers["Retry-After"] = str(problem.wait_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(problem, headers=headers, **extra)
