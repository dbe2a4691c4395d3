"""Runs as JSON. The names of fields and paths are part of the interface: scripts of users rely on them."""

import re
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.panel.db.engine import MAX_INTEGER
from app.panel.runs.domain.problems import InvalidIdempotencyKeyError
from app.panel.runs.domain.queries import RunDetail, RunFilters, RunQueries
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import RunState, Trigger
from app.web.dependencies import provided
from pipeline.core.params import Params
from pipeline.core.stage import StageName

router = APIRouter(prefix="/api/v1", tags=["runs"])
MAX_PAGE: Final = 64
ACTOR: Final = "api"
KEY_PATTERN: Final = r"[\x21-\x7e]{1,200}"


class StartRequest(BaseModel):
    """A run to start. `params` are laid over the defaults; left out: those of the newest run that they fitted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    from_stage: StageName = "set_seed"
    params: dict[str, Any] | None = None
    force: bool = False


class RerunRequest(BaseModel):
    """A run to repeat. `from_stage` left out: the stage that did not succeed, else the first."""

    model_config = ConfigDict(extra="forbid", strict=True)

    from_stage: StageName | None = None
    params: dict[str, Any] | None = None


class StartResponse(BaseModel):
    """The run that was started, or that the same Idempotency-Key has started before."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: RunState
    number: int


class CancelResponse(BaseModel):
    """The run that was cancelled, and its state now: `cancelling` or `cancelled`."""

    id: str
    state: RunState


class RunResponse(BaseModel):
    """One run in a list; see `RunRow`."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    number: int
    state: RunState
    trigger: Trigger
    requested_by: str
    from_stage: str
    parent_id: str | None
    stage: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    reason: str
    retry_at: datetime | None
    metrics: dict[str, float] | None
    model_version: int | None
    deployed: bool
    n_warnings: int
    n_errors: int


class RunsResponse(BaseModel):
    """Runs, newest first; pass `next_before` as `before` to go on, null on the last page."""

    model_config = ConfigDict(from_attributes=True)

    runs: list[RunResponse] = Field(validation_alias="rows")
    next_before: int | None


class ProgressResponse(BaseModel):
    """Progress of a running stage: `done` of `total`, in the unit that `label` names."""

    model_config = ConfigDict(from_attributes=True)

    done: float
    total: float
    label: str


class StageResponse(BaseModel):
    """One stage of a run; `attempts` counts them, `error` is the last one's problem. See `StageView`."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    state: str
    attempts: Annotated[int, BeforeValidator(len)]
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    compute_s: float | None
    error: dict[str, Any] | None
    progress: ProgressResponse | None


class RunDetailResponse(RunResponse):
    """All about one run; `reruns` are the ids of the runs that continue it."""

    stages: list[StageResponse]
    verdict: dict[str, Any] | None
    mlflow_run_id: str | None
    params: dict[str, Any]
    error: dict[str, Any] | None
    data_digest: str | None
    params_digest: str | None
    code_digest: str | None
    reruns: list[str]


def _key(
    idempotency_key: Annotated[str | None, Header(json_schema_extra={"pattern": f"^{KEY_PATTERN}$"})] = None,
) -> str | None:
    if idempotency_key is not None and not re.fullmatch(KEY_PATTERN, idempotency_key):
        raise InvalidIdempotencyKeyError
    return idempotency_key


Runs = Annotated[RunService, provided(RunService)]
Queries = Annotated[RunQueries, provided(RunQueries)]
Key = Annotated[str | None, Depends(_key)]


@router.post("/runs", status_code=201)
def start_run(response: Response, runs: Runs, key: Key, body: StartRequest | None = None) -> StartResponse:
    """Start a run. 409 names the active run. The same Idempotency-Key gives the same run, 422 for another request."""
    body = body or StartRequest()
    started = runs.start(
        Trigger.MANUAL,
        params=body.params,
        from_stage=body.from_stage,
        force=body.force,
        idempotency_key=key,
        requested_by=ACTOR,
    )
    response.headers["Location"] = f"/api/v1/runs/{started.id}"
    return StartResponse.model_validate(started)


@router.get("/runs")
def list_runs(
    queries: Queries,
    state: RunState | None = None,
    trigger: Trigger | None = None,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> RunsResponse:
    """Return runs, newest first."""
    return RunsResponse.model_validate(queries.page(RunFilters(state, trigger), before, limit))


@router.get("/runs/{run_id}")
def get_run(run_id: str, queries: Queries) -> RunDetailResponse:
    """Return all about one run, by id or number."""
    return _detail(queries.detail(run_id))


@router.post("/runs/{run_id}/cancel", status_code=202)
def cancel_run(run_id: str, runs: Runs, queries: Queries) -> CancelResponse:
    """Ask a run to end; it does within 10 s."""
    state = runs.cancel(run_id, requested_by=ACTOR)
    return CancelResponse(id=queries.full_id(run_id), state=state)


@router.post("/runs/{run_id}/rerun", status_code=201)
def rerun_run(run_id: str, response: Response, runs: Runs, key: Key, body: RerunRequest | None = None) -> StartResponse:
    """Start a run like this one."""
    body = body or RerunRequest()
    started = runs.rerun(
        run_id, from_stage=body.from_stage, params=body.params, idempotency_key=key, requested_by=ACTOR
    )
    response.headers["Location"] = f"/api/v1/runs/{started.id}"
    return StartResponse.model_validate(started)


@router.get("/params")
def get_params() -> dict[str, Any]:
    """Return the JSON schema of a run's parameters, with defaults, limits and the groups of the form."""
    return Params.model_json_schema()


def _detail(detail: RunDetail) -> RunDetailResponse:
    return RunDetailResponse(
        **RunResponse.model_validate(detail.row).model_dump(),
        stages=[StageResponse.model_validate(stage) for stage in detail.stages],
        verdict=None if detail.verdict is None else dict(detail.verdict),
        mlflow_run_id=detail.mlflow_run_id,
        params=dict(detail.params),
        error=None if detail.error is None else dict(detail.error),
        data_digest=detail.data_digest,
        params_digest=detail.params_digest,
        code_digest=detail.code_digest,
        reruns=[row.id for row in detail.reruns],
    )
