"""The page of services: state, health, memory, uptime, log, restart."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from app.panel.audit.log import AuditLog
from app.panel.pages.renderer import PageRenderer
from app.panel.services.dependencies import Service
from app.panel.services.restart import restart
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.services.views import ServiceRow, ServicesView
from app.web.ansi import ansi_to_html
from app.web.dependencies import provided
from app.web.templating import View

router = APIRouter()
POLL_S: Final = 5
LOG_POLL_S: Final = 2

Renderer = Annotated[PageRenderer, provided(PageRenderer)]
Services = Annotated[ServiceSupervisor, provided(ServiceSupervisor)]


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
    """One service and the end of its output, ready for the template. `tracking_uri` is where MLflow's client finds MLflow."""

    TEMPLATE: ClassVar[str] = "panel/service.html"
    FRAGMENT: ClassVar[str | None] = "panel/_service.html"

    row: ServiceRow
    lines: tuple[Markup, ...]
    link: str
    tracking_uri: str
    poll_s: int


@router.get("/services")
def show_services(request: Request, renderer: Renderer, services: Services) -> Response:
    """Return the page of all services."""
    view = services.view()
    links: dict[str, str] = {row.name: _link(request, renderer, row) for row in view.rows}
    return renderer.render(request, ServicesPage(view=view, links=links, poll_s=POLL_S), section="services")


@router.get("/services/{name}")
def show_service(request: Request, name: Service, renderer: Renderer, services: Services) -> Response:
    """Return the page of one service, with the end of its output."""
    row = services.row(name)
    lines = tuple(ansi_to_html(line) for line in services.log(name).lines)
    link = _link(request, renderer, row)
    page = ServicePage(
        row=row, lines=lines, link=link, tracking_uri=renderer.mlflow_tracking_uri(request), poll_s=LOG_POLL_S
    )
    return renderer.render(request, page, section="services")


@router.post("/services/{name}/restart")
def restart_service(name: Service, services: Services, audit: Annotated[AuditLog, provided(AuditLog)]) -> Response:
    """Restart the service and return to the page."""
    restart(services, audit, name)
    return RedirectResponse("/services", status_code=303)


def _link(request: Request, renderer: PageRenderer, row: ServiceRow) -> str:
    """Return where people find the service: the API's documentation, else the service itself."""
    return renderer.service_url(request, row.name, "/docs" if row.name == "api" else "/")
