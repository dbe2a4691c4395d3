"""Every error that leaves over HTTP has one shape: RFC 9457 problem details with an id from `docs/errors.md`."""

from typing import Final

from starlette.responses import JSONResponse

from pipeline.core.problems import ProblemError

# Busy, not ready yet, no room: what passes without the client doing anything else than to wait.
PASSING: Final = frozenset({503, 507})
RETRY_AFTER_S: Final = 5


def problem_response(problem: ProblemError, *, headers: dict[str, str] | None = None, **extra: object) -> JSONResponse:
    """`application/problem+json`; `extra` members (for example `run_id`, `request_id`, `errors`) stand beside the RFC's.

    503 and 507 carry `Retry-After`, unless `headers` has one.
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
    for name, value in waiting(problem).items():
        response.headers.setdefault(name, value)
    return response


def waiting(problem: ProblemError) -> dict[str, str]:
    """The header that says when to come back, where waiting is all that helps."""
    return {"retry-after": str(RETRY_AFTER_S)} if problem.status in PASSING else {}
