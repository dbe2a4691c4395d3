"""The only place that wires: settings in, application out."""

import os
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from app.panel.accounts.service import Accounts
from app.panel.application import build
from app.panel.audit.log import AuditLog
from app.panel.audit.queries import AuditQueries
from app.panel.auth.routes import RunningServices
from app.panel.auth.secrets import check_api_key
from app.panel.auth.service import Auth
from app.panel.backups.place import Place
from app.panel.backups.recoveries import restored_history
from app.panel.backups.service import BackupService
from app.panel.clock import Clock, SystemClock
from app.panel.datasets.preview import PreviewLimits, Previews
from app.panel.datasets.service import Datasets
from app.panel.datasets.uploads import Uploads
from app.panel.db.migrate import open_database
from app.panel.drift.service import DriftService
from app.panel.leftovers import clean_up
from app.panel.logs.dependencies import RunIds
from app.panel.logs.followers import Followers
from app.panel.logs.line_renderer import LineRenderer
from app.panel.logs.store import LogStore
from app.panel.logs.tail import RunStates
from app.panel.maintenance import Maintenance
from app.panel.notifier import Notifier
from app.panel.pages.renderer import PageRenderer
from app.panel.pages.service_links import ServiceLinks
from app.panel.probes import DatabaseProbe
from app.panel.registry.checker import LiveModelChecker
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.runs.dispatch.execution import RunDependencies
from app.panel.runs.dispatch.executor import Executor
from app.panel.runs.dispatch.process_stage import ProcessStageRunner
from app.panel.runs.dispatch.recovery import recover
from app.panel.runs.dispatch.stage_runner import StageRunner
from app.panel.runs.dispatch.thread_stage import ThreadStageRunner
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.interfaces import Deploy
from app.panel.runs.domain.queries import RunQueries
from app.panel.runs.domain.retention import prune
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.run_file import write_missing_run_files, write_run_file
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.store import RunStore
from app.panel.runs.stage_process.launcher import Launcher
from app.panel.runs.web.routes import KnownColumns, LiveModels
from app.panel.sample_table import SampleTable
from app.panel.schedule.service import ScheduleService
from app.panel.schedule.ticker import Ticker
from app.panel.services.docker.host_container import own_container_id
from app.panel.services.factory import make_runtime, runtime_kind
from app.panel.services.handed_over import (
    HandedOver,
    hand_over_api_key,
    hand_over_certificate,
    read_api_key,
    version_of,
)
from app.panel.services.health import health
from app.panel.services.prediction_client import PredictionClient
from app.panel.services.preflight import Preflight
from app.panel.services.specs import desired_services
from app.panel.services.supervisor import ServiceSupervisor, http_probe
from app.panel.settings import Settings
from app.panel.tracking.delivery import Delivery
from app.panel.tracking.service import TrackingService
from app.panel.tracking.store import TrackingStore
from app.panel.workers import BlockingWorker, Worker
from app.web.tls import pinned_context
from pipeline.core.stage import StageName


def create_app(
    settings: Settings,
    clock: Clock | None = None,
    *,
    stages: Mapping[str, str] | None = None,
    deploy: Deploy | None = None,
) -> FastAPI:
    """Return the panel's application.

    `stages` (name to `module:function`) and `deploy` replace the real ones: for measuring the panel alone.
    Raises ProblemError where it cannot start with these settings.
    """
    clock = clock or SystemClock()
    db = open_database(settings.database, clock.now())
    settings.runs_dir.mkdir(exist_ok=True)
    logs = LogStore(settings.runs_dir)
    recoveries = restored_history(db, logs, runs_dir=settings.runs_dir, models_dir=settings.models_dir, clock=clock)
    auth = Auth(settings, db, clock)
    notifier = Notifier()
    store = RunStore(db, clock)
    active_runs = ActiveRuns(notifier, store.find_state)
    queries = RunQueries(db, active_runs)
    launcher = Launcher(stages, memory_bytes=settings.stage_memory_bytes)
    uploads = Uploads(settings.data_dir)
    sample = SampleTable(settings.data_dir / "raw")
    api_key = read_api_key()
    check_api_key(api_key)
    # The panel's own calls accept the certificate of its services, and no other.
    tls = None if settings.tls_cert is None else pinned_context(settings.tls_cert)
    services = _supervisor(settings, clock, api_key, tls)
    records = TrackingStore(db, clock)
    tracking = TrackingService(
        db=db,
        store=records,
        services=services,
        deliver=Delivery(cert=settings.tls_cert),
        runs_dir=settings.runs_dir,
        models_dir=settings.models_dir,
        on_delivered=partial(_note_delivered, store, settings.runs_dir),
        token=auth.service_token,
        tls=tls,
    )
    client = PredictionClient(services, api_key, tls=tls)
    model_queries = ModelQueries(db, settings.models_dir)
    models = ModelService(
        models_dir=settings.models_dir,
        db=db,
        queries=model_queries,
        services=services,
        client=client,
        clock=clock,
        watch_s=settings.watch_after_deploy_s,
        runs_dir=settings.runs_dir,
        warning=tracking.warning,
    )
    policy = RetryPolicy(settings.retry_delay_s, settings.retries)
    executor = Executor(
        RunDependencies(
            store=store,
            logs=logs,
            active_runs=active_runs,
            notifier=notifier,
            stage_runners=_stage_runners(
                launcher,
                deploy or models.deploy,
                logs=logs,
                active_runs=active_runs,
                clock=clock,
                timeout_s=settings.stage_timeout_s,
            ),
            policy=policy,
            versions=models,
            preparation=sample,
            settings=settings,
            clock=clock,
        )
    )
    schedule = ScheduleService(db=db, clock=clock, notifier=notifier, default_interval_s=settings.cycle_interval_s)
    runs = RunService(store=store, queries=queries, settings=settings, notifier=notifier, schedule=schedule)
    ticker = Ticker(schedule, runs, notifier, clock)
    audit = AuditLog(db, clock)
    backups = BackupService(settings, Place(settings.backup_place), clock, audit)
    datasets = Datasets(settings.data_dir, clock, audit)
    limits = PreviewLimits(launcher.memory_bytes, settings.max_table_cells)
    previews = Previews(settings.data_dir, datasets, limits, next_params=runs.next_params)
    checker = LiveModelChecker(models, client, clock)
    links = ServiceLinks(settings, in_container=bool(own_container_id()))
    renderer = PageRenderer(
        settings, clock, lambda: health(services.view(), checker.checks()), links, recoveries.notice
    )
    drift = DriftService(
        settings.models_dir,
        client,
        runs,
        threshold=settings.drift_threshold,
        starts_run=settings.drift_starts_run,
    )
    recover_runs = partial(
        recover, store=store, service=runs, logs=logs, runs_dir=settings.runs_dir, policy=policy, clock=clock
    )
    maintenance = Maintenance(
        db=db,
        launcher=launcher,
        executor=executor,
        schedule=schedule,
        clock=clock,
        tidy=(
            lambda: write_missing_run_files(store, settings.runs_dir),
            lambda: prune(settings.runs_dir, records.is_done),
        ),
        renew_access=auth.renew_access,
    )
    services_disabled = deploy is not None  # the panel is measured alone: nothing is served or recorded
    workers = (
        BlockingWorker(on_stop=db.close),
        BlockingWorker(on_start=auth.load),
        BlockingWorker(on_start=recover_runs),
        BlockingWorker(on_start=partial(clean_up, settings)),
        BlockingWorker(on_start=models.recover, on_stop=models.close),
        *(() if services_disabled else _service_workers(services, models, tracking, drift, checker)),
        BlockingWorker(on_start=backups.start, on_stop=backups.close),
        maintenance,
        sample,
        executor,
        ticker,
        BlockingWorker(on_stop=notifier.close),
    )
    objects = (
        settings,
        db,
        notifier,
        auth,
        renderer,
        runs,
        queries,
        logs,
        Followers(),
        LineRenderer(renderer.env, logs),
        schedule,
        ticker,
        DatabaseProbe(db),
        services,
        Preflight(settings, services, clock, checker.checks),
        models,
        model_queries,
        drift,
        audit,
        AuditQueries(db),
        Accounts(auth, clock),
        recoveries,
        backups,
        datasets,
        previews,
        uploads,
    )
    return build(
        objects,
        {
            RunStates: active_runs,
            RunIds: queries,
            LiveModels: model_queries,
            RunningServices: services,
            KnownColumns: previews,
        },
        workers,
    )


def _note_delivered(store: RunStore, runs_dir: Path, run_id: str, mlflow_run_id: str) -> None:
    store.record(run_id, mlflow_run_id=mlflow_run_id)
    write_run_file(runs_dir, store.snapshot(run_id))


def _supervisor(settings: Settings, clock: Clock, api_key: str, tls: ssl.SSLContext | None) -> ServiceSupervisor:
    kind = runtime_kind(settings)
    files = settings.tls_files
    if kind == "docker":
        certificate = hand_over_certificate(files, settings.access_dir)
    else:  # processes read the files that the panel was given
        hand_over_certificate(None, settings.access_dir)
        certificate = "" if files is None else version_of(files)
    handed_over = HandedOver(hand_over_api_key(api_key, settings.keys_dir), certificate)
    desired = desired_services(settings, kind, dict(os.environ), handed_over)
    return ServiceSupervisor(make_runtime(settings, kind), desired, clock, partial(http_probe, tls=tls))


def _stage_runners(
    launcher: Launcher, deploy: Deploy, *, logs: LogStore, active_runs: ActiveRuns, clock: Clock, timeout_s: float
) -> Mapping[StageName, StageRunner]:
    process = ProcessStageRunner(
        launcher=launcher, logs=logs, active_runs=active_runs, clock=clock, timeout_s=timeout_s
    )
    thread = ThreadStageRunner(deploy, logs=logs, active_runs=active_runs, clock=clock, timeout_s=timeout_s)
    return {"set_seed": process, "process_data": process, "train_model": process, "deploy": thread}


def _service_workers(
    services: ServiceSupervisor,
    models: ModelService,
    tracking: TrackingService,
    drift: DriftService,
    checker: LiveModelChecker,
) -> tuple[Worker, ...]:
    return (
        BlockingWorker(on_start=services.start, on_stop=services.close),
        # Once more, before the services end: neither a deployment nor the monitor may blame a model for that.
        BlockingWorker(on_stop=models.close),
        BlockingWorker(on_start=tracking.start, on_stop=tracking.close),
        drift,
        checker,
    )
