"""Pages for what does not work: no model yet, no API, no such page."""

from typing import Final

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.frontend.problems import InternalAppError, PageNotFoundError, TableTooLargeError
from app.frontend.settings import Settings
from app.frontend.site import Site
from app.frontend.views import ProblemPage, WaitingPage
from app.web.problems import BodyTooLargeError
from app.web.security import add_headers
from app.web.templating import View, respond
from pipeline.core.problems import ProblemError

EVERY_S: Final = 3  # pages that wait for something ask again so often


def waiting(request: Request, _error: Exception) -> Response:
    """There is no model yet: 503, and the page comes back by itself."""
    site = Site.of(request)
    return _answer(site.env, request, WaitingPage(site.settings.panel_url, EVERY_S), 503, is_retried=True)


def problem(request: Request, error: Exception) -> Response:
    """A problem with its id and what to do; the page tries again by itself where that can help."""
    assert isinstance(error, ProblemError)
    site = Site.of(request)
    return _page(site.env, site.settings, request, error)


def http(request: Request, error: Exception) -> Response:
    """A path or method that does not exist."""
    assert isinstance(error, HTTPException)
    return problem(request, PageNotFoundError(error.status_code))


def unexpected(request: Request, error: Exception) -> Response:
    """An error of the app itself; the server logs its traceback."""
    response = problem(request, InternalAppError(error))
    add_headers(response.headers)
    return response


def refusal(env: Environment, settings: Settings, request: Request, error: ProblemError) -> Response:
    """What the guard in front of the app refuses."""
    if isinstance(error, BodyTooLargeError):
        error = TableTooLargeError(error.limit_bytes, settings.api_url)
    return _page(env, settings, request, error)


def _page(env: Environment, settings: Settings, request: Request, error: ProblemError) -> Response:
    view = ProblemPage(error, settings.panel_url, is_retried=error.retryable)
    return _answer(env, request, view, error.status, is_retried=error.retryable)


def _answer(env: Environment, request: Request, view: View, status: int, *, is_retried: bool) -> Response:
    response = respond(env, request, view, status=status)
    if is_retried:
        response.headers["refresh"] = str(EVERY_S)
        response.headers["retry-after"] = str(EVERY_S)
    return response
