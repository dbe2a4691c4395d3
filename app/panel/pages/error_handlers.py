"""Every error that leaves the panel, in its one shape: a page for people, problem details for scripts."""

import logging
import secrets

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from app.panel.pages.problems import InternalError, InvalidRequestError, PageNotFoundError
from app.panel.pages.renderer import PageRenderer
from app.web.security import set_security_headers
from pipeline.core.disk import disk_problem
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)


def install(app: FastAPI, renderer: PageRenderer) -> None:
    """Add handlers for what routes raise."""

    @app.exception_handler(ProblemError)
    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return renderer.render_problem(request, error)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return renderer.render_problem(request, PageNotFoundError(request.url.path))
        problem = InvalidRequestError.not_answered(error.status_code, error.detail)
        response = renderer.render_problem(request, problem)
        if error.status_code == 405:
            response.headers["allow"] = ", ".join(_allowed_methods(app, request))
        return response

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"][1:])
        return renderer.render_problem(request, InvalidRequestError.invalid_field(field, first["msg"]))

    @app.exception_handler(OSError)
    def of_disk(request: Request, error: Exception) -> Response:
        problem = disk_problem(error, renderer.folders)
        if problem is None:
            raise error  # to the next handler
        log.warning("action=request result=error problem=%s", problem)
        return renderer.render_problem(request, problem)

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        request_id = secrets.token_hex(6)
        log.error("action=request result=error id=%s path=%r", request_id, request.scope["path"], exc_info=error)
        response = renderer.render_problem(request, InternalError(request_id))
        set_security_headers(response.headers)
        return response


def _allowed_methods(app: FastAPI, request: Request) -> list[str]:
    """Return the methods that the path of a request takes. Each has a route of its own, and the framework names only one."""
    allowed: set[str] = set()
    for context in iter_route_contexts(app.routes):
        if context.path is not None and compile_path(context.path)[0].fullmatch(request.scope["path"]):
            allowed |= context.methods or set()
    return sorted(allowed)
