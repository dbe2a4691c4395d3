"""The only place that wires: settings in, application out."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from app.panel import ops
from app.panel.auth import routes as auth_routes
from app.panel.auth.middleware import AuthMiddleware
from app.panel.auth.service import Auth
from app.panel.clock import Clock, SystemClock
from app.panel.datasets import api as datasets_api
from app.panel.datasets import routes as datasets_routes
from app.panel.datasets.routes import DataPages
from app.panel.datasets.service import MAX_UPLOAD_BYTES, Datasets
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.drift import api as drift_api
from app.panel.drift import routes as drift_routes
from app.panel.drift.service import DriftService
from app.panel.home import routes as home_routes
from app.panel.home.routes import HomePages
from app.panel.logs import api as logs_api
from app.panel.logs import routes as logs_routes
from app.panel.logs.hub import Hub
from app.panel.logs.store import LogStore
from app.panel.models import api as models_api
from app.panel.models import routes as models_routes
from app.panel.models.queries import ModelQueries
from app.panel.models.service import ModelService
from app.panel.pages import errors
from app.panel.pages.site import Site
from app.panel.runs import api as runs_api
from app.panel.runs import routes as runs_routes
from app.panel.runs.attempt import AttemptRunner
from app.panel.runs.child import Launcher
from app.panel.runs.execution import Tools
from app.panel.runs.executor import Executor
from app.panel.runs.live import RunLive
from app.panel.runs.ports import Deploy
from app.panel.runs.queries import RunQueries
from app.panel.runs.reconcile import reconcile
from app.panel.runs.results import metric_title
from app.panel.runs.retry import RetryPolicy
from app.panel.runs.routes import RunPages
from app.panel.runs.service import RunService
from app.panel.runs.store import RunStore
from app.panel.sample import SampleTable
from app.panel.schedule import api as schedule_api
from app.panel.schedule import routes as schedule_routes
from app.panel.schedule.service import ScheduleService
from app.panel.schedule.ticker import Ticker
from app.panel.services import api as services_api
from app.panel.services import routes as services_routes
from app.panel.services.choice import make_runtime, runtime_kind
from app.panel.services.health import health
from app.panel.services.preflight import Preflight
from app.panel.services.specs import api_key, wanted
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.panel.tracking.delivery import Delivery
from app.panel.tracking.service import TrackingService
from app.panel.tracking.store import TrackingStore
from app.panel.upkeep import Upkeep
from app.web.assets import Assets
from app.web.security import Policy, SecurityMiddleware, allowed_hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Everything that routes may use, as `request.app.state.panel`."""

    settings: Settings
    clock: Clock
    db: Database
    auth: Auth
    site: Site
    runs: RunService
    run_queries: RunQueries
    logs: LogStore
    hub: Hub
    live: RunLive
    schedule: ScheduleService
    ticker: Ticker
    services: ServiceSupervisor
    preflight: Preflight
    models: ModelService
    model_queries: ModelQueries
    tracking: TrackingService
    drift: DriftService


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What runs in the background, in the order in which it starts."""

    store: RunStore
    executor: Executor
    upkeep: Upkeep
    sample: SampleTable
    is_alone: bool  # nothing is served: no services, no records


def create_app(
    settings: Settings,
    clock: Clock | None = None,
    *,
    stages: Mapping[str, str] | None = None,
    deploy: Deploy | None = None,
) -> FastAPI:
    """The panel's application; `app.state.panel` holds its parts.

    `stages` (name to `module:function`) and `deploy` replace the real ones: for measuring the panel alone.
    Raises ProblemError where it cannot start with these settings.
    """
    clock = clock or SystemClock()
    db = open_database(settings.database, clock.now())
    settings.runs_dir.mkdir(exist_ok=True)
    hub = Hub()
    store = RunStore(db, clock)
    logs = LogStore(settings.runs_dir)
    live = RunLive(hub, store.find_state)
    queries = RunQueries(db, live)
    launcher = Launcher(stages)
    sample = SampleTable(settings.data_dir / "raw")
    kind = runtime_kind(settings)
    services = ServiceSupervisor(make_runtime(settings, kind), wanted(settings, kind, os.environ), clock)
    tracking = TrackingService(
        db=db,
        store=TrackingStore(db, clock),
        services=services,
        deliver=Delivery(),
        runs_dir=settings.runs_dir,
        models_dir=settings.models_dir,
        on_delivered=lambda run_id, mlflow_run_id: store.record(run_id, mlflow_run_id=mlflow_run_id),
    )
    model_queries = ModelQueries(db, settings.models_dir)
    models = ModelService(
        models_dir=settings.models_dir,
        db=db,
        queries=model_queries,
        api=services,
        clock=clock,
        watch_s=settings.watch_after_deploy_s,
        api_key=api_key(os.environ),
        notice=tracking.warning,
    )
    executor = Executor(
        Tools(
            store=store,
            logs=logs,
            live=live,
            attempts=AttemptRunner(
                launcher=launcher,
                deploy=deploy or models.deploy,
                logs=logs,
                live=live,
                clock=clock,
                timeout_s=settings.stage_timeout_s,
            ),
            policy=RetryPolicy(settings.retry_delay_s, settings.retries),
            next_version=lambda: max(models.next_version(), store.highest_version() + 1),
            prepare=sample.wait,
            settings=settings,
            clock=clock,
        )
    )
    runs = RunService(
        store=store,
        queries=queries,
        settings=settings,
        wake=executor.wake,
        cancelled=executor.cancel,
        on_manual=lambda: schedule.arm(),  # noqa: PLW0108 - bound below
    )
    schedule = ScheduleService(
        db=db,
        clock=clock,
        runs=runs,
        default_interval_s=settings.cycle_interval_s,
        changed=lambda: ticker.poke(),  # noqa: PLW0108 - bound below
    )
    ticker = Ticker(schedule, clock)
    panel = Panel(
        settings=settings,
        clock=clock,
        db=db,
        auth=Auth(settings, db, clock),
        site=Site(settings, clock),
        runs=runs,
        run_queries=queries,
        logs=logs,
        hub=hub,
        live=live,
        schedule=schedule,
        ticker=ticker,
        services=services,
        preflight=Preflight(settings, services, clock),
        models=models,
        model_queries=model_queries,
        tracking=tracking,
        drift=DriftService(
            settings.models_dir,
            services,
            runs,
            threshold=settings.drift_threshold,
            starts_run=settings.drift_starts_run,
        ),
    )
    upkeep = Upkeep(db=db, launcher=launcher, executor=executor, schedule=schedule, clock=clock)
    work = _Work(store=store, executor=executor, upkeep=upkeep, sample=sample, is_alone=deploy is not None)
    return _application(panel, work)


def _application(panel: Panel, work: _Work) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        """Nothing that is correct depends on the second half: the panel may be killed at any time."""
        panel.hub.start(asyncio.get_running_loop())
        await asyncio.to_thread(panel.auth.load)
        await asyncio.to_thread(
            reconcile,
            store=work.store,
            service=panel.runs,
            logs=panel.logs,
            runs_dir=panel.settings.runs_dir,
            clock=panel.clock,
        )
        await asyncio.to_thread(panel.models.recover)
        if not work.is_alone:
            panel.services.start()
            panel.tracking.start()
            panel.drift.start()
        work.upkeep.start()
        work.sample.start()
        work.executor.start()
        panel.ticker.start()
        yield
        panel.hub.stop()
        await panel.ticker.stop()
        await work.executor.stop()
        await work.sample.stop()
        await work.upkeep.stop()
        await panel.drift.stop()
        panel.tracking.close()
        panel.models.close()
        await asyncio.to_thread(panel.services.close)
        panel.db.close()

    app = FastAPI(title="automated-ml-pipeline", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.panel = panel
    errors.install(app, panel.site)
    for routes in (
        ops.router,
        runs_api.router,
        logs_api.router,
        schedule_api.router,
        services_api.router,
        models_api.router,
        auth_routes.router(panel.site, panel.auth),
        schedule_routes.router(panel.schedule),
        logs_routes.router(panel.site, panel.logs, panel.hub, panel.live, panel.run_queries.full_id),
        *_pages(panel),
    ):
        app.include_router(routes)
    app.mount("/static", Assets(), name="static")
    app.add_middleware(AuthMiddleware, auth=panel.auth)
    policy = Policy(
        hosts=allowed_hosts(panel.settings.panel_host, panel.settings.allowed_hosts),
        ports=frozenset({panel.settings.panel_port}),
        upload_bytes=MAX_UPLOAD_BYTES,
        upload_paths=("/data", "/api/v1/datasets"),
        render=panel.site.problem,
    )
    app.add_middleware(SecurityMiddleware, policy=policy)
    return app


def _pages(panel: Panel) -> list[APIRouter]:
    """The pages; each is drawn from the parts that it is given."""
    settings, site, queries = panel.settings, panel.site, panel.run_queries
    site.health = lambda: health(panel.services.view())
    datasets = Datasets(settings.data_dir, panel.clock)

    def live_version() -> int | None:
        live = panel.model_queries.live()
        return live.version if live else None

    home_pages = HomePages(
        settings=settings,
        db=panel.db,
        site=site,
        queries=queries,
        schedule=panel.schedule,
        services=panel.services,
        live_model=panel.model_queries.live,
        preflight=panel.preflight.view,
    )
    run_pages = RunPages(
        settings=settings,
        db=panel.db,
        site=site,
        runs=panel.runs,
        queries=queries,
        logs=panel.logs,
        live_version=live_version,
    )
    return [
        home_routes.router(home_pages),
        runs_routes.router(run_pages),
        models_routes.router(site, panel.models, panel.model_queries.view, metric_title),
        services_routes.router(site, settings, panel.services),
        datasets_routes.router(DataPages(settings=settings, site=site, datasets=datasets, queries=queries)),
        datasets_api.router(datasets),
        drift_routes.router(site, settings, panel.drift),
        drift_api.router(panel.drift),
    ]
