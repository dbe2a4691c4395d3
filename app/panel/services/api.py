"""Services and preflight checks as JSON."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from app.panel.services.preflight import Preflight
from app.panel.services.protocol import ServiceName
from app.panel.services.queries import PreflightView
from app.panel.services.supervisor import ServiceSupervisor

router = APIRouter(prefix="/api/v1", tags=["services"])


def _services(request: Request) -> ServiceSupervisor:
    services: ServiceSupervisor = request.app.state.panel.services
    return services


def _preflight(request: Request) -> Preflight:
    preflight: Preflight = request.app.state.panel.preflight
    return preflight


Services = Annotated[ServiceSupervisor, Depends(_services)]


@router.get("/services")
def list_services(services: Services) -> dict[str, object]:
    """`{"runtime", "is_healthy", "services": [...]}` as of the last look, which is at most a second old."""
    view = services.view()
    return {
        "runtime": view.runtime,
        "is_healthy": view.is_healthy,
        "services": [asdict(row) for row in view.rows],
    }


@router.post("/services/{name}/restart")
def restart_service(name: ServiceName, services: Services) -> dict[str, object]:
    """Restart it now; returns when it is started, not yet when it is ready. 409 names what is in the way."""
    services.restart(name)
    return asdict(next(row for row in services.view().rows if row.name == name))


@router.get("/services/{name}/log")
def read_service_log(
    name: ServiceName, services: Services, after: Annotated[int, Query(ge=0)] = 0
) -> dict[str, object]:
    """`{"lines", "after"}`: what it wrote after the cursor `after`, and the cursor for the next call."""
    chunk = services.log(name, after)
    return {"lines": chunk.lines, "after": chunk.after}


@router.get("/preflight")
def preflight(checks: Annotated[Preflight, Depends(_preflight)], again: bool = False) -> PreflightView:
    """The named checks; at most ten seconds old unless `again`."""
    return checks.view(again=again)
