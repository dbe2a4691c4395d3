"""Renders the pages of the panel: one frame, one way to draw, one way to say what went wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.panel.clock import Clock
from app.panel.pages.service_links import Service, ServiceLinks
from app.panel.settings import Settings
from app.web.identity import Identity, Role, identity_of
from app.web.problem_response import problem_response, retry_headers
from app.web.templating import View, create_environment, is_fragment, render_response
from pipeline.core.params import choice_title
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGE_TITLES

HealthLevel = Literal["good", "busy", "warn", "bad"]
SECTIONS: Final = (
    ("home", "/", "Home"),
    ("runs", "/runs", "Runs"),
    ("data", "/data", "Data"),
    ("models", "/models", "Models"),
    ("drift", "/drift", "Live data"),
    ("services", "/services", "Services"),
    ("backups", "/backups", "Backups"),
    ("access", "/access", "Access"),
)


@dataclass(frozen=True)
class Health:
    """The sentence at the top right of every page, and its colour."""

    level: HealthLevel
    text: str


@dataclass(frozen=True)
class Notice:
    """A sentence above every page, until an admin has confirmed it on the page at `path`."""

    text: str
    path: str


@dataclass(frozen=True)
class Frame:
    """The frame around a page. `now_ms` is the server's clock, from which the page corrects its own.

    `is_swap`: only a part of the page is drawn, which is put in place of the one that is there. `identity` is who sees it.
    `missing_links` says which services cannot be linked, and what to set.
    """

    section: str
    health: Health | None
    now_ms: int
    is_swap: bool
    identity: Identity | None = None
    missing_links: str = ""
    notice: Notice | None = None
    sections: tuple[tuple[str, str, str], ...] = SECTIONS

    def may(self, role: Role) -> bool:
        """Return whether who sees the page has at least the rights of `role`: buttons of others are not drawn."""
        return self.identity is not None and self.identity.may(role)


@dataclass(frozen=True)
class ProblemView(View):
    """A page that says what went wrong, why, and what to do."""

    TEMPLATE: ClassVar[str] = "panel/problem.html"
    FRAGMENT: ClassVar[str | None] = "panel/_toast.html"

    problem: ProblemError
    back: str


class PageRenderer:
    """Renders views as pages or fragments. `health` and `notice` are called once for each page, so they must be cheap."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        health: Callable[[], Health] | None = None,
        links: ServiceLinks | None = None,
        notice: Callable[[], Notice | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._links = links or ServiceLinks(settings, in_container=False)
        self._clock = clock
        self._health = health
        self._notice = notice
        self.env = create_environment()
        self.env.globals["stage_titles"] = STAGE_TITLES
        self.env.filters["estimator"] = choice_title

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders that the panel works in."""
        settings = self._settings
        data = settings.data_dir
        return (data / "raw", data / "processed", data, settings.models_dir, settings.state_dir)

    def render(self, request: Request, view: View, *, section: str = "", status: int = 200) -> HTMLResponse:
        """Return the page, or the part of it that htmx asked for."""
        frame = Frame(
            section=section,
            health=self._health() if section and self._health is not None else None,
            now_ms=round(self._clock.now().timestamp() * 1000),
            is_swap=is_fragment(request),
            identity=identity_of(request.scope),
            missing_links=self._links.missing(request) if section else "",
            notice=self._notice() if section else None,
        )
        return render_response(self.env, request, view, status=status, frame=frame)

    def render_problem(self, request: Request, problem: ProblemError) -> Response:
        """Return the problem as a page for people, as problem details for scripts; the status is the problem's."""
        wants_page = "text/html" in request.headers.get("accept", "") or is_fragment(request)
        if request.url.path.startswith("/api/") or not wants_page:
            return problem_response(problem)
        section = next((name for name, path, _ in SECTIONS[1:] if request.url.path.startswith(path)), "home")
        view = ProblemView(problem=problem, back="/" if section == "home" else f"/{section}")
        # Only those who are logged in see the state of the panel.
        section = section if identity_of(request.scope) is not None else ""
        response = self.render(request, view, section=section, status=problem.status)
        response.headers.update(retry_headers(problem))
        return response

    def service_url(self, request: Request, service: Service, path: str = "/") -> str:
        """Return the address of a service for this browser, "" where there is none that keeps the panel's cookie from it."""
        return self._links.url(request, service, path)

    def is_address_of(self, service: Service, origin: str, request: Request) -> bool:
        """Return whether an origin is that of a service of this panel."""
        return self._links.is_address_of(service, origin, request)

    def mlflow_url(self, request: Request, mlflow_run_id: str | None = None) -> str:
        """Return the address of a run in MLflow, or of the list of experiments; "" where there is none.

        Neither has the experiment's number, which is not the same everywhere: from `/#/runs/ID` MLflow goes to the run
        in the experiment that it belongs to.
        """
        path = f"/#/runs/{mlflow_run_id}" if mlflow_run_id else "/#/experiments"
        return self.service_url(request, "mlflow", path)

    def mlflow_tracking_uri(self, request: Request) -> str:
        """Return where MLflow's own client finds the server, which has no cookies to keep from anybody."""
        address = self.service_url(request, "mlflow").rstrip("/")
        return address or f"{request.url.scheme}://{request.url.hostname}:{self._settings.mlflow_port}"
