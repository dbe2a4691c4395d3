"""The only place that wires: settings in, application out."""

from dataclasses import dataclass

from fastapi import FastAPI

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.logs.hub import Hub
from app.panel.logs.store import LogStore
from app.panel.runs.queries import RunQueries
from app.panel.runs.service import RunService
from app.panel.schedule.service import ScheduleService
from app.panel.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Everything that routes may use, as `request.app.state.panel`."""

    settings: Settings
    clock: Clock
    db: Database
    runs: RunService
    run_queries: RunQueries
    logs: LogStore
    hub: Hub
    schedule: ScheduleService


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The panel's application; `app.state.panel` holds its parts."""
    raise NotImplementedError
