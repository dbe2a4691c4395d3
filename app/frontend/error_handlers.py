"""Pages for what does not work: no model yet, no API, no such page."""

from typing import Final

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.frontend.settings import Settings
from app.frontend.site import Site
from app.frontend.views import ProblemPage, WaitingPage
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
    if error.status_code != 404:
        what, fix = "This address does not take such a request.", "Start again from the form."
    else:
        what, fix = "There is no such page.", "The form is the first page, tables are on the second."
    return problem(request, ProblemError("APP-05", what, fix=fix, status=error.status_code))


def unexpected(request: Request, error: Exception) -> Response:
    """An error of the app itself; the server logs its traceback."""
    response = problem(
        request,
        ProblemError(
            "APP-99",
            "The prediction app failed.",
            why=f"{type(error).__name__}: the log of the app on the services page of the panel says more.",
            fix="Try again. If it stays, report it with the last lines of that log.",
            status=500,
        ),
    )
    add_headers(response.headers)
    return response


def refusal(env: Environment, settings: Settings, request: Request, error: ProblemError) -> Response:
    """What the guard in front of the app refuses."""
    if error.status == 413:
        error = too_large(settings.table_bytes if request.scope["path"].startswith("/table") else 2**20, settings)
    return _page(env, settings, request, error)


def too_large(limit_bytes: int, settings: Settings) -> ProblemError:
    """APP-06: the table does not fit; the API itself takes more."""
    return ProblemError(
        "APP-06",
        f"The table is larger than {limit_bytes / 2**20:.0f} MB.",
        why="The app keeps results for download, so it takes tables up to that size only.",
        fix="Split the table, or send it to the prediction API itself, which streams tables of any length.",
        command=f"curl -T table.csv -X POST -H 'Content-Type: text/csv' {settings.api_url}/predict/csv -o predictions.csv",
        status=413,
    )


def _page(env: Environment, settings: Settings, request: Request, error: ProblemError) -> Response:
    view = ProblemPage(error, settings.panel_url, is_retried=error.retryable)
    return _answer(env, request, view, error.status, is_retried=error.retryable)


def _answer(env: Environment, request: Request, view: View, status: int, *, is_retried: bool) -> Response:
    response = respond(env, request, view, status=status)
    if is_retried:
        response.headers["refresh"] = str(EVERY_S)
        response.headers["retry-after"] = str(EVERY_S)
    return response
