"""Restarts a service because somebody asked for it."""

from app.panel.audit.log import AuditLog
from app.panel.services.protocol import ServiceName
from app.panel.services.supervisor import ServiceSupervisor
from pipeline.core.problems import ProblemError


def restart(services: ServiceSupervisor, audit: AuditLog, name: ServiceName) -> None:
    """Restart a service now and record who did. Raises ProblemError as `ServiceSupervisor.restart`."""
    try:
        services.restart(name)
    except ProblemError as problem:
        audit.note("service.restart", name, outcome="failed", detail=problem.what)
        raise
    audit.note("service.restart", name)
