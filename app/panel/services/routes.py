"""The page of services: state, health, memory, uptime, log, restart."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from app.panel.pages.renderer import PageRenderer
from app.panel.services.protocol import ServiceName
from app.panel.services.queries import ServiceRow, ServicesView
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.web.ansi import render
from app.web.templating import View

POLL_S = 5
LOG_POLL_S = 2


@dataclass(frozen=True)
class ServicesPage(View):
    """All services. `links` is where people find each."""

    TEMPLATE: ClassVar[str] = "panel/services.html"
    FRAGMENT: ClassVar[str | None] = "panel/_services.html"

    view: ServicesView
    links: dict[str, str]
    poll_s: int


@dataclass(frozen=True)
class ServicePage(View):
    """One service and the end of its output, ready for the template."""

    TEMPLATE: ClassVar[str] = "panel/service.html"
    FRAGMENT: ClassVar[str | None] = "panel/_service.html"

    row: ServiceRow
    lines: tuple[Markup, ...]
    link: str
    poll_s: int


def router(renderer: PageRenderer, settings: Settings, services: ServiceSupervisor) -> APIRouter:
    """The routes of services."""
    routes = APIRouter()
    name_in_path = Annotated[ServiceName, Path()]

    def link(request: Request, row: ServiceRow) -> str:
        path = "/docs" if row.port == settings.api_port else "/"
        return renderer.service_url(request, row.port, path)

    @routes.get("/services")
    def show_all(request: Request) -> Response:
        view = services.view()
        page = ServicesPage(view=view, links={row.name: link(request, row) for row in view.rows}, poll_s=POLL_S)
        return renderer.render(request, page, section="services")

    @routes.get("/services/{name}")
    def show(request: Request, name: name_in_path) -> Response:
        row = next(row for row in services.view().rows if row.name == name)
        lines = tuple(render(line) for line in services.log(name).lines)
        page = ServicePage(row=row, lines=lines, link=link(request, row), poll_s=LOG_POLL_S)
        return renderer.render(request, page, section="services")

    @routes.post("/services/{name}/restart")
    def restart(name: name_in_path) -> Response:
        services.restart(name)
        return RedirectResponse("/services", status_code=303)

    return routes
