"""The pages of runs: the list, one run, the form of a new one, and what their buttons do."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Final, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from app.panel.db.engine import MAX_INTEGER, Database
from app.panel.logs.store import LogStore
from app.panel.logs.views import OPTIONS_COOKIE, LogFilter, LogOptions, LogView, build_viewer, log_filter, log_options
from app.panel.pages.renderer import PageRenderer
from app.panel.runs.domain.queries import RunDetail, RunFilters, RunQueries
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.domain.typical_durations import typical_durations, whole_run_s
from app.panel.runs.web import form, results
from app.panel.runs.web.views import NewRunView, RunsView, RunView, cells, param_rows, stage_choices
from app.panel.settings import Settings
from app.web.dependencies import provided
from app.web.templating import is_fragment
from pipeline.core.params import Params
from pipeline.core.stage import STAGES, StageName

ACTOR: Final = "web"
YEAR_S: Final = 365 * 86400
FINISHED: Final = frozenset({"succeeded", "reused"})
router = APIRouter()


class LiveModel(Protocol):
    """The model that is live."""

    @property
    def version(self) -> int:
        """Return its version."""


class LiveModels(Protocol):
    """The registry, which lies above runs."""

    def live(self) -> LiveModel | None:
        """Return the live model, None if there is none."""


class KnownColumns(Protocol):
    """The columns of the tables, which lie above runs."""

    def names(self) -> tuple[str, ...]:
        """Return the columns that were seen last, () if nobody has looked."""


@dataclass(frozen=True)
class RunSources:
    """The objects that the pages of runs are drawn from."""

    settings: Annotated[Settings, provided(Settings)]
    db: Annotated[Database, provided(Database)]
    renderer: Annotated[PageRenderer, provided(PageRenderer)]
    runs: Annotated[RunService, provided(RunService)]
    queries: Annotated[RunQueries, provided(RunQueries)]
    logs: Annotated[LogStore, provided(LogStore)]
    models: Annotated[LiveModels, provided(LiveModels)]
    tables: Annotated[KnownColumns, provided(KnownColumns)]


Sources = Annotated[RunSources, Depends()]
Service = Annotated[RunService, provided(RunService)]
Key = Annotated[str, Form(max_length=100)]


@router.get("/runs")
def list_runs(
    request: Request,
    sources: Sources,
    state: str = "",
    trigger: str = "",
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
) -> Response:
    """Show the list of runs."""
    filters = RunFilters(
        state=RunState(state) if state in set(RunState) else None,
        trigger=Trigger(trigger) if trigger in set(Trigger) else None,
    )
    page = sources.queries.page(filters, before)
    query = {name: value for name, value in (("state", filters.state), ("trigger", filters.trigger)) if value}
    view = RunsView(
        rows=page.rows,
        filters=filters,
        next_url=f"/runs?{urlencode({**query, 'before': page.next_before})}" if page.next_before else "",
        first_url=f"/runs?{urlencode(query)}" if before is not None else "",
        key=secrets.token_urlsafe(16),
    )
    return sources.renderer.render(request, view, section="runs")


@router.get("/runs/new")
def new_run(request: Request, sources: Sources, run: str = "", stage: str = "") -> Response:
    """Show the form of a new run, or of one like `run` from `stage` on."""
    parent = sources.queries.detail(run) if run else None
    values = parent.params if parent else sources.queries.last_params() or _defaults(sources.settings)
    view = NewRunView(
        groups=form.build(values),
        parent=parent.row if parent else None,
        from_stage=stage if stage in STAGES else STAGES[0],
        stages=_rerun_from(parent) if parent else (),
        n_errors=0,
        key=secrets.token_urlsafe(16),
        columns=sources.tables.names(),
    )
    return sources.renderer.render(request, view, section="runs")


@router.get("/runs/{run_id}")
def show_run(  # noqa: PLR0917 - FastAPI passes all by keyword
    request: Request,
    sources: Sources,
    run_id: str,
    filter: Annotated[LogFilter, Depends(log_filter)],
    options: Annotated[LogOptions, Depends(log_options)],
    at: str = "",
    lines: str = "",
    times: str = "",
) -> Response:
    """Show one run; `at` is a line of its log, `lines=all` shows all of it."""
    detail = sources.queries.detail(run_id)
    row = detail.row
    log = None
    if not is_fragment(request):  # the log is outside of the part that is redrawn, and grows by itself
        log = build_viewer(
            sources.logs,
            row.id,
            filter,
            options,
            is_live=row.active,
            has_failed=row.state == RunState.FAILED,
            at=int(at) if at.isascii() and at.isdecimal() else None,
            show_all=lines == "all",
        )
    response = sources.renderer.render(request, _run_view(sources, request, detail, log), section="runs")
    if times:
        response.set_cookie(OPTIONS_COOKIE, options.cookie, max_age=YEAR_S, samesite="lax")
    return response


@router.post("/runs")
def start_run(runs: Service, idempotency_key: Key = "") -> Response:
    """Start a run with the parameters of the last one, and show it."""
    started = runs.start(idempotency_key=idempotency_key or None, is_shared_key=True, requested_by=ACTOR)
    return RedirectResponse(f"/runs/{started.number}", status_code=303)


@router.post("/runs/new")
async def start_changed_run(request: Request, sources: Sources) -> Response:
    """Start a run with the parameters of the form and show it, or show the form with its errors."""
    submitted = await request.form(max_files=0, max_fields=200)
    texts = {name: value for name, value in submitted.items() if not isinstance(value, UploadFile)}
    return await run_in_threadpool(_start_changed, sources, request, texts)


@router.post("/runs/{run_id}/cancel")
def cancel_run(run_id: str, runs: Service) -> Response:
    """Cancel a run, and show it."""
    runs.cancel(run_id, requested_by=ACTOR)
    return RedirectResponse(f"/runs/{run_id}", status_code=303)


@router.post("/runs/{run_id}/rerun")
def rerun_run(  # noqa: PLR0917 - FastAPI passes all by keyword
    run_id: str,
    runs: Service,
    queries: Annotated[RunQueries, provided(RunQueries)],
    stage: Annotated[str, Form()] = "",
    ignore: Annotated[str, Form()] = "",
    idempotency_key: Key = "",
) -> Response:
    """Start a run like this one from `stage` on, without the column `ignore` if one is named, and show it."""
    params = {**queries.detail(run_id).params} if ignore else None
    if params is not None:
        params["ignore"] = [*dict.fromkeys([*params.get("ignore", []), ignore])]
    started = runs.rerun(
        run_id,
        from_stage=_stage(stage),
        params=params,
        idempotency_key=idempotency_key or None,
        is_shared_key=True,
        requested_by=ACTOR,
    )
    return RedirectResponse(f"/runs/{started.number}", status_code=303)


def _start_changed(sources: RunSources, request: Request, texts: dict[str, str]) -> Response:
    params, errors = form.parse(texts)
    parent = sources.queries.detail(texts["parent"]) if texts.get("parent") else None
    stage = _stage(texts.get("from_stage", "")) or STAGES[0]
    key = texts.get("idempotency_key", "")[:100] or secrets.token_urlsafe(16)
    if errors:
        view = NewRunView(
            groups=form.build({}, texts, errors),
            parent=parent.row if parent else None,
            from_stage=stage,
            stages=_rerun_from(parent) if parent else (),
            n_errors=len(errors),
            key=key,
            columns=sources.tables.names(),
        )
        return sources.renderer.render(request, view, section="runs", status=422)
    if parent is not None:
        started = sources.runs.rerun(
            parent.row.id, from_stage=stage, params=params, idempotency_key=key, is_shared_key=True, requested_by=ACTOR
        )
    else:
        started = sources.runs.start(params=params, idempotency_key=key, is_shared_key=True, requested_by=ACTOR)
    return RedirectResponse(f"/runs/{started.number}", status_code=303)


def _run_view(sources: RunSources, request: Request, detail: RunDetail, log: LogView | None) -> RunView:
    row = detail.row
    run_dir = sources.settings.runs_dir / row.id
    live = sources.models.live()
    durations = typical_durations(sources.db)
    train = results.read_train(run_dir) if row.metrics is not None or not row.active else None
    unfinished = [stage.name for stage in detail.stages if stage.state not in FINISHED]
    return RunView(
        run=row,
        detail=detail,
        strip=cells(detail.stages, durations),
        typical_s=whole_run_s(durations),
        live_version=live.version if live else None,
        metrics=results.metric_rows(train) if train else (),
        plots=results.plots(run_dir) if train else (),
        params=param_rows(form.chosen_fields(detail.params), form.chosen_fields(_defaults(sources.settings))),
        rerun_from=_rerun_from(detail) if not row.active else (),
        failed_stage=unfinished[0] if unfinished and not row.active else None,
        mlflow_url=sources.renderer.mlflow_url(request, detail.mlflow_run_id) if detail.mlflow_run_id else None,
        log=log,
        key=secrets.token_urlsafe(16),
        poll_s=2 if row.active else 0,
        leakage=results.read_leakage(run_dir),
    )


def _rerun_from(detail: RunDetail) -> tuple[tuple[str, str], ...]:
    """Return names and titles of the stages whose predecessors have all finished."""
    names: list[str] = []
    for stage in detail.stages:
        names.append(stage.name)
        if stage.state not in FINISHED:
            break
    return stage_choices(tuple(names))


def _stage(name: str) -> StageName | None:
    return name if name in STAGES else None


def _defaults(settings: Settings) -> dict[str, object]:
    return Params(seed=settings.seed, target=settings.target).model_dump(mode="json")
