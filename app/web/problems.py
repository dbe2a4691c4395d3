"""Every error that leaves over HTTP has one shape: RFC 9457 problem details with an id from `docs/errors.md`."""

from starlette.responses import JSONResponse

from pipeline.errors import ProblemError


def problem_response(problem: ProblemError, *, headers: dict[str, str] | None = None, **extra: object) -> JSONResponse:
    """`application/problem+json`; `extra` members (for example `run_id`, `request_id`, `errors`) stand beside the RFC's."""
    body: dict[str, object] = {
        "type": f"docs/errors.md#{problem.id.lower()}",
        "title": problem.what,
        "status": problem.status,
        "detail": " ".join(part for part in (problem.why, problem.fix) if part),
        **problem.as_dict(),
        **extra,
    }
    return JSONResponse(body, status_code=problem.status, headers=headers, media_type="application/problem+json")
