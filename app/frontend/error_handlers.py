"""Pages for what does not work: no model yet, no API, no such page."""

from typing import Final

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.frontend.problems import InternalAppError, PageNotFoundError, TableTooLargeError
from app.frontend.settings import Settings
from app.frontend.views import ProblemPage, WaitingPage
from app.web.problems import BodyTooLargeError
from app.web.security import set_security_headers
from app.web.templating import View, render_response
from pipeline.core.problems import ProblemError

RETRY_S: Final = 3  # a page that waits for something reloads this often


class ErrorPages:
    """The exception handlers of the app and the refusals of the guard in front of it."""

    def __init__(self, env: Environment, settings: Settings) -> None:
        self._env = env
        self._settings = settings

    async def waiting(self, request: Request, _error: Exception) -> Response:
        """Return 503 as long as there is no model; the page reloads by itself."""
        return self._render(request, WaitingPage(self._settings.panel_url, RETRY_S), 503, is_retried=True)

    async def problem(self, request: Request, error: Exception) -> Response:
        """Return a problem with its id and what to do; the page reloads by itself where that can help."""
        assert isinstance(error, ProblemError)
        return self._render_problem(request, error)

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Return APP-05 for a path or method that does not exist."""
        assert isinstance(error, HTTPException)
        return self._render_problem(request, PageNotFoundError(error.status_code))

    async def internal_error(self, request: Request, error: Exception) -> Response:
        """Return APP-99 for an error in the app itself; the server logs its traceback."""
        response = self._render_problem(request, InternalAppError(error))
        set_security_headers(response.headers)
        return response

    def refusal(self, request: Request, error: ProblemError) -> Response:
        """Return what the guard in front of the app refuses, in the app's own words where it has some."""
        if isinstance(error, BodyTooLargeError):
            error = TableTooLargeError(error.limit_bytes, self._settings.api_url)
        return self._render_problem(request, error)

    def _render_problem(self, request: Request, problem: ProblemError) -> Response:
        view = ProblemPage(problem, self._settings.panel_url, is_retried=problem.retryable)
        return self._render(request, view, problem.status, is_retried=problem.retryable)

    def _render(self, request: Request, view: View, status: int, *, is_retried: bool) -> Response:
        response = render_response(self._env, request, view, status=status)
        if is_retried:
            response.headers["refresh"] = str(RETRY_S)
            response.headers["retry-after"] = str(RETRY_S)
        return response
