"""Reads of runs, as frozen dataclasses: the pages, the JSON API and the terminal show these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.panel.audit.tables import AuditEntry
from app.panel.db.engine import Database
from app.panel.runs.domain.problems import RunNotFoundError
from app.panel.runs.domain.state import ACTIVE, AttemptState, RunState, Trigger
from app.panel.runs.domain.store import look_up
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.params import INVALID_PARAMS_IDS
from pipeline.core.stage import STAGES

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class RunFilters:
    """A filter for lists of runs; None means all."""

    state: RunState | None = None
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a running attempt: `done` of `total`, in the unit that `label` names."""

    done: float
    total: float
    label: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a list. `verdict` is the gate's decision (`promote`, `keep`, `identical`, `no change`) or None."""

    id: str
    number: int
    state: RunState
    trigger: Trigger
    requested_by: str
    from_stage: str
    stage: str | None  # the current or the last stage
    parent_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None  # None until finished
    reason: str  # one sentence, "" while there is nothing to say
    retry_at: datetime | None  # set while retrying
    n_failures: int  # failed attempts of the current stage
    verdict: str | None
    metrics: Mapping[str, float] | None
    model_version: int | None
    deployed: bool
    n_warnings: int
    n_errors: int
    has_invalid_params: bool  # it failed because its parameters do not fit the table

    @property
    def active(self) -> bool:
        """Return True until it has ended."""
        return not self.state.is_final


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of a stage. `error` has the members of ProblemError.as_dict."""

    attempt: int
    state: str  # an AttemptState
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage of a run; all four are always there, in order.

    `state` is `waiting` (not begun), `running`, `retrying`, `succeeded`, `failed`, `cancelled`, `interrupted`,
    `reused` (result taken over from an earlier run) or `skipped` (the run ended before it).
    """

    name: str
    state: str
    attempts: tuple[AttemptView, ...] = ()
    started_at: datetime | None = None  # of the last attempt
    finished_at: datetime | None = None
    duration_s: float | None = None  # of the last attempt
    compute_s: float | None = None  # of the last attempt: seconds inside the stage's own function
    error: Mapping[str, Any] | None = None  # of the last attempt
    progress: Progress | None = None  # while it runs


@dataclass(frozen=True, slots=True)
class RunDetail:
    """All about one run. `verdict` has the members of GateVerdict; for `no change` only decision and reason.

    `started_by` is the user or token that started it, "" where the audit names none.
    """

    row: RunRow
    stages: tuple[StageView, ...]
    params: Mapping[str, Any]
    verdict: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    parent_number: int | None
    mlflow_run_id: str | None
    data_digest: str | None
    params_digest: str | None
    code_digest: str | None
    reruns: tuple[RunRow, ...]  # runs that continue this one
    started_by: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first. `next_before` is the `before` of the following page, None on the last."""

    rows: tuple[RunRow, ...]
    next_before: int | None


class LiveProgress(Protocol):
    """The live part of an active run, which is not in its row."""

    def find_progress(self, run_id: str, stage: str) -> Progress | None:
        """Return how far this stage is, if it runs and has reported it."""


class RunQueries:
    """Every read of runs. Sync, short; call from a worker thread or a sync route."""

    def __init__(self, db: Database, live: LiveProgress) -> None:
        self._db = db
        self._live = live

    def page(self, filters: RunFilters = RunFilters(), before: int | None = None, limit: int = PAGE_SIZE) -> RunPage:
        """Return runs with a number below `before` (None: from the newest), at most `limit`."""
        statement = select(Run).order_by(col(Run.number).desc()).limit(limit + 1)
        if filters.state is not None:
            statement = statement.where(Run.state == filters.state)
        if filters.trigger is not None:
            statement = statement.where(Run.trigger == filters.trigger)
        if before is not None:
            statement = statement.where(Run.number < before)
        with self._db.read() as session:
            rows = tuple(_row(run) for run in session.exec(statement))
        more = len(rows) > limit
        return RunPage(rows[:limit], rows[limit - 1].number if more else None)

    def detail(self, run_id: str) -> RunDetail:
        """Return one run by id or number. Raises RunNotFoundError."""
        with self._db.read() as session:
            run = look_up(session, run_id)
            if run is None:
                raise RunNotFoundError(run_id)
            attempts = session.exec(
                select(StageAttempt).where(StageAttempt.run_id == run.id).order_by(col(StageAttempt.attempt))
            ).all()
            reruns = session.exec(select(Run).where(Run.parent_id == run.id).order_by(col(Run.number))).all()
            parent = None if run.parent_id is None else session.get(Run, run.parent_id)
            # By time: that has an index, and both were written at once.
            started = select(AuditEntry.actor).where(
                AuditEntry.at == run.created_at, AuditEntry.target == f"run {run.number}"
            )
            started_by = session.exec(started).first() or ""
        return RunDetail(
            row=_row(run),
            stages=tuple(
                self._stage(run, stage, [attempt for attempt in attempts if attempt.stage == stage]) for stage in STAGES
            ),
            params=run.params,
            verdict=run.verdict,
            error=run.error,
            parent_number=None if parent is None else parent.number,
            mlflow_run_id=run.mlflow_run_id,
            data_digest=run.data_digest,
            params_digest=run.params_digest,
            code_digest=run.code_digest,
            reruns=tuple(_row(rerun) for rerun in reruns),
            started_by=started_by,
        )

    def find(self, run_id: str) -> RunRow | None:
        """Return one run by id or number, or None."""
        with self._db.read() as session:
            run = look_up(session, run_id)
        return None if run is None else _row(run)

    def full_id(self, run_id: str) -> str:
        """Return the id of a run by its id or number. Raises RunNotFoundError."""
        row = self.find(run_id)
        if row is None:
            raise RunNotFoundError(run_id)
        return row.id

    def active(self) -> RunRow | None:
        """Return the run that has not ended, if any."""
        return self._first(select(Run).where(col(Run.state).in_(ACTIVE)))

    def latest(self) -> RunRow | None:
        """Return the newest run that was not skipped, or None."""
        return self._first(_newest().where(Run.state != RunState.SKIPPED))

    def last_params(self) -> Mapping[str, Any] | None:
        """Return the parameters of the newest run that did not fail because of them, None if there is none.

        Skipped runs and those whose parameters do not fit the table (a mistyped target) are passed over.
        """
        problem = func.json_extract(col(Run.error), "$.id")
        fits = or_(col(Run.error).is_(None), problem.not_in(INVALID_PARAMS_IDS))
        with self._db.read() as session:
            run = session.exec(_newest().where(Run.state != RunState.SKIPPED, fits)).first()
        return None if run is None else run.params

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of runs by (state, trigger)."""
        with self._db.read() as session:
            rows = session.exec(select(Run.state, Run.trigger, func.count()).group_by(Run.state, Run.trigger))
            return {(state, trigger): n for state, trigger, n in rows}

    def _first(self, statement: SelectOfScalar[Run]) -> RunRow | None:
        with self._db.read() as session:
            run = session.exec(statement.limit(1)).first()
        return None if run is None else _row(run)

    def _stage(self, run: Run, stage: str, attempts: list[StageAttempt]) -> StageView:
        if not attempts:
            return StageView(stage, "skipped" if RunState(run.state).is_final else "waiting")
        last = attempts[-1]
        waits = run.state == RunState.RETRYING and run.stage == stage
        running = last.state == AttemptState.RUNNING
        return StageView(
            name=stage,
            state="retrying" if waits else last.state,
            attempts=tuple(
                AttemptView(a.attempt, a.state, a.started_at, a.finished_at, a.duration_s, a.error) for a in attempts
            ),
            started_at=last.started_at,
            finished_at=last.finished_at,
            duration_s=last.duration_s,
            compute_s=last.compute_s,
            error=last.error,
            progress=self._live.find_progress(run.id, stage) if running else None,
        )


def _newest() -> SelectOfScalar[Run]:
    return select(Run).order_by(col(Run.number).desc()).limit(1)


def _row(run: Run) -> RunRow:
    return RunRow(
        id=run.id,
        number=run.number,
        state=RunState(run.state),
        trigger=Trigger(run.trigger),
        requested_by=run.requested_by,
        from_stage=run.from_stage,
        stage=run.stage,
        parent_id=run.parent_id,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration_s=run.duration_s,
        reason=run.reason,
        retry_at=run.retry_at,
        n_failures=run.n_failures,
        verdict=None if run.verdict is None else str(run.verdict["decision"]),
        metrics=run.metrics,
        model_version=run.model_version,
        deployed=run.deployed,
        n_warnings=run.n_warnings,
        n_errors=run.n_errors,
        has_invalid_params=run.error is not None and run.error.get("id") in INVALID_PARAMS_IDS,
    )
