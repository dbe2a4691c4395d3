"""The one shape of errors over HTTP: RFC 9457 problem details with an id from `docs/errors.md`."""

import math
from typing import Final

from starlette.responses import JSONResponse

from pipeline.core.problems import ProblemError

# Too often, busy, not ready yet or full: this passes, and the client can only retry later.
TEMPORARY_STATUSES: Final = frozenset({429, 503, 507})
RETRY_AFTER_S: Final = 5


def problem_response(problem: ProblemError, *, headers: dict[str, str] | None = None, **extra: object) -> JSONResponse:
    """Return `application/problem+json` with the RFC's members, the problem's and `extra`, for example `request_id`.

    429, 503 and 507 carry `Retry-After`, unless `headers` has one.
    """
    body: dict[str, object] = {
        "type": f"docs/errors.md#{problem.id.lower()}",
        "title": problem.what,
        "status": problem.status,
        "detail": " ".join(part for part in (problem.why, problem.fix) if part),
        **problem.as_dict(),
        **extra,
    }
    response = JSONResponse(body, status_code=problem.status, headers=headers, media_type="application/problem+json")
    for name, value in retry_headers(problem).items():
        response.headers.setdefault(name, value)
    return response


def retry_headers(problem: ProblemError) -> dict[str, str]:
    """Return the `Retry-After` header for a problem that passes by itself, after its `wait_s` if it has that; else none."""
    wait_s: float = getattr(problem, "wait_s", RETRY_AFTER_S)
    return {"retry-after": str(math.ceil(wait_s))} if problem.status in TEMPORARY_STATUSES else {}
