"""The wired parts of a panel, as pages, API and background work use them."""

from dataclasses import dataclass

from app.panel.auth.service import Auth
from app.panel.clock import Clock
from app.panel.datasets.service import Datasets
from app.panel.db.engine import Database
from app.panel.drift.service import DriftService
from app.panel.logs.store import LogStore
from app.panel.notifier import Notifier
from app.panel.pages.renderer import PageRenderer
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.queries import RunQueries
from app.panel.runs.domain.service import RunService
from app.panel.schedule.service import ScheduleService
from app.panel.schedule.ticker import Ticker
from app.panel.services.preflight import Preflight
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.panel.tracking.service import TrackingService


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Everything that routes may use, as `request.app.state.panel`."""

    settings: Settings
    clock: Clock
    db: Database
    auth: Auth
    renderer: PageRenderer
    runs: RunService
    run_queries: RunQueries
    logs: LogStore
    notifier: Notifier
    live: ActiveRuns
    schedule: ScheduleService
    ticker: Ticker
    services: ServiceSupervisor
    preflight: Preflight
    models: ModelService
    model_queries: ModelQueries
    tracking: TrackingService
    drift: DriftService
    datasets: Datasets
