"""Every error that leaves the panel, in its one shape: a page for people, problem details for scripts."""

import logging
import secrets

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.panel.pages.renderer import Site
from app.web.security import add_headers
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)


def install(app: FastAPI, site: Site) -> None:
    """Handlers for what routes raise."""

    @app.exception_handler(ProblemError)
    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return site.problem(request, error)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return site.problem(request, _missing(request, error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return site.problem(request, _invalid(error))

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        request_id = secrets.token_hex(6)
        log.error("action=request result=error id=%s path=%r", request_id, request.scope["path"], exc_info=error)
        problem = ProblemError(
            "WEB-05",
            "Something went wrong inside.",
            why=f"The panel's own output says more, under {request_id}.",
            fix="Try again; if it stays, report it with that output.",
            status=500,
        )
        response = site.problem(request, problem)
        add_headers(response.headers)
        return response


def _missing(request: Request, error: HTTPException) -> ProblemError:
    if error.status_code == 404:
        return ProblemError(
            "WEB-04",
            "There is no such page.",
            why=f"Nothing answers to {request.url.path[:200]!r}.",
            fix="Start from the home page.",
            status=404,
        )
    return ProblemError("WEB-06", "The request cannot be answered.", why=f"{error.detail}.", status=error.status_code)


def _invalid(error: RequestValidationError) -> ProblemError:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"][1:])
    return ProblemError(
        "WEB-06",
        "The request was not filled in right.",
        why=f"{where or 'It'}: {first['msg']}.",
        fix="Mend it and send it again.",
        status=422,
    )
