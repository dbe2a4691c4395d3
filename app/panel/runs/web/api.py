"""Runs as JSON. The names of fields and paths are part of the interface: scripts of users rely on them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict

from app.panel.db.engine import MAX_INTEGER
from app.panel.runs.domain.queries import RunDetail, RunFilters, RunQueries, RunRow, StageView
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import RunState, Trigger
from app.web.dependencies import provided
from pipeline.core.params import Params
from pipeline.core.problems import ProblemError
from pipeline.core.stage import StageName

router = APIRouter(prefix="/api/v1", tags=["runs"])
MAX_PAGE: Final = 64
ACTOR: Final = "api"


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


def _key(idempotency_key: Annotated[str | None, Header()] = None) -> str | None:
    if idempotency_key is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", idempotency_key):
        raise ProblemError(
            "RUN-07",
            "The header Idempotency-Key is not valid.",
            fix="Send 1 to 200 visible ASCII characters, for example a UUID.",
            status=422,
        )
    return idempotency_key


Runs = Annotated[RunService, provided(RunService)]
Queries = Annotated[RunQueries, provided(RunQueries)]
Key = Annotated[str | None, Depends(_key)]


@router.post("/runs", status_code=201)
def start_run(response: Response, runs: Runs, key: Key, body: StartRequest | None = None) -> dict[str, object]:
    """Start a run: `{"id", "state", "number"}`. 409 names the active run. The same Idempotency-Key: the same run."""
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
    return {"id": started.id, "state": started.state, "number": started.number}


@router.get("/runs")
def list_runs(
    queries: Queries,
    state: RunState | None = None,
    trigger: Trigger | None = None,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> dict[str, object]:
    """Runs, newest first: `{"runs": [...], "next_before": number or null}`; pass `next_before` as `before` to go on."""
    page = queries.page(RunFilters(state, trigger), before, limit)
    return {"runs": [_row(row) for row in page.rows], "next_before": page.next_before}


@router.get("/runs/{run_id}")
def get_run(run_id: str, queries: Queries) -> dict[str, object]:
    """All about one run, by id or number."""
    return _detail(queries.detail(run_id))


@router.post("/runs/{run_id}/cancel", status_code=202)
def cancel_run(run_id: str, runs: Runs, queries: Queries) -> dict[str, object]:
    """Ask a run to end: `{"id", "state"}`, effective within 10 s."""
    state = runs.cancel(run_id, requested_by=ACTOR)
    return {"id": queries.detail(run_id).row.id, "state": state}


@router.post("/runs/{run_id}/rerun", status_code=201)
def rerun_run(
    run_id: str, response: Response, runs: Runs, key: Key, body: RerunRequest | None = None
) -> dict[str, object]:
    """A new run like this one: `{"id", "state", "number"}`."""
    body = body or RerunRequest()
    started = runs.rerun(
        run_id, from_stage=body.from_stage, params=body.params, idempotency_key=key, requested_by=ACTOR
    )
    response.headers["Location"] = f"/api/v1/runs/{started.id}"
    return {"id": started.id, "state": started.state, "number": started.number}


@router.get("/params")
def get_params() -> dict[str, Any]:
    """The JSON schema of a run's parameters, with defaults, limits and the groups of the form."""
    return Params.model_json_schema()


def _row(row: RunRow) -> dict[str, object]:
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "trigger": row.trigger,
        "requested_by": row.requested_by,
        "from_stage": row.from_stage,
        "parent_id": row.parent_id,
        "stage": row.stage,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "duration_s": row.duration_s,
        "reason": row.reason,
        "retry_at": row.retry_at,
        "metrics": row.metrics,
        "model_version": row.model_version,
        "deployed": row.deployed,
        "n_warnings": row.n_warnings,
        "n_errors": row.n_errors,
    }


def _detail(detail: RunDetail) -> dict[str, object]:
    return {
        **_row(detail.row),
        "stages": [_stage(stage) for stage in detail.stages],
        "verdict": _plain(detail.verdict),
        "mlflow_run_id": detail.mlflow_run_id,
        "params": _plain(detail.params),
        "error": _plain(detail.error),
        "data_digest": detail.data_digest,
        "params_digest": detail.params_digest,
        "code_digest": detail.code_digest,
        "reruns": [row.id for row in detail.reruns],
    }


def _stage(stage: StageView) -> dict[str, object]:
    return {
        "name": stage.name,
        "state": stage.state,
        "attempts": len(stage.attempts),
        "started_at": stage.started_at,
        "finished_at": stage.finished_at,
        "duration_s": stage.duration_s,
        "compute_s": stage.compute_s,
        "error": _plain(stage.error),
        "progress": None
        if stage.progress is None
        else {"done": stage.progress.done, "total": stage.progress.total, "label": stage.progress.label},
    }


def _plain(members: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if members is None else dict(members)
