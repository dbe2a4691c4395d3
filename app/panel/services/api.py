"""Services and preflight checks as JSON."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from app.panel.audit.log import AuditLog
from app.panel.services.dependencies import Service
from app.panel.services.preflight import Preflight
from app.panel.services.protocol import LogChunk
from app.panel.services.restart import restart
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.services.views import PreflightView, ServiceRow
from app.web.dependencies import provided

router = APIRouter(prefix="/api/v1", tags=["services"])

Services = Annotated[ServiceSupervisor, provided(ServiceSupervisor)]


@dataclass(frozen=True)
class ServicesResponse:
    """All services. `is_healthy`: all run and respond."""

    runtime: str
    is_healthy: bool
    services: tuple[ServiceRow, ...]


@router.get("/services")
def list_services(services: Services) -> ServicesResponse:
    """Return the latest status of all services, which is at most a second old."""
    view = services.view()
    return ServicesResponse(view.runtime, view.is_healthy, view.rows)


@router.post("/services/{name}/restart")
def restart_service(name: Service, services: Services, audit: Annotated[AuditLog, provided(AuditLog)]) -> ServiceRow:
    """Restart it now; returns when it is started, not yet when it is ready. 409 names what is in the way."""
    restart(services, audit, name)
    return services.row(name)


@router.get("/services/{name}/log")
def read_service_log(name: Service, services: Services, after: Annotated[int, Query(ge=0)] = 0) -> LogChunk:
    """Return what it wrote after the cursor `after`, and the cursor for the next call."""
    return services.log(name, after)


@router.get("/preflight")
def preflight(checks: Annotated[Preflight, provided(Preflight)], again: bool = False) -> PreflightView:
    """Return the named checks; at most ten seconds old unless `again`."""
    return checks.view(again=again)
