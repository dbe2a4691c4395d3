"""Reads of runs, as frozen dataclasses: the pages, the JSON API and the terminal show these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.panel.db.engine import Database
from app.panel.runs.state import RunState, Trigger

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class RunFilters:
    """What a list of runs is narrowed to; None means all."""

    state: RunState | None = None
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running attempt is: `done` of `total`, in the unit that `label` names."""

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

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        raise NotImplementedError


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
    attempts: tuple[AttemptView, ...]
    started_at: datetime | None  # of the last attempt
    finished_at: datetime | None
    duration_s: float | None  # of the last attempt
    compute_s: float | None  # of the last attempt: seconds inside the stage's own function
    error: Mapping[str, Any] | None  # of the last attempt
    progress: Progress | None  # while it runs


@dataclass(frozen=True, slots=True)
class RunDetail:
    """All about one run. `verdict` has the members of GateVerdict; for `no change` only decision and reason."""

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


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first. `next_before` is the `before` of the following page, None on the last."""

    rows: tuple[RunRow, ...]
    next_before: int | None


class RunQueries:
    """Every read of runs. Sync, short; call from a worker thread or a sync route."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def page(self, filters: RunFilters = RunFilters(), before: int | None = None, limit: int = PAGE_SIZE) -> RunPage:
        """Runs with a number below `before` (None: from the newest), at most `limit`."""
        raise NotImplementedError

    def detail(self, run_id: str) -> RunDetail:
        """One run by id or number. Raises ProblemError RUN-02 if there is none."""
        raise NotImplementedError

    def find(self, run_id: str) -> RunRow | None:
        """One run by id or number, or None."""
        raise NotImplementedError

    def active(self) -> RunRow | None:
        """The run that has not ended, if any."""
        raise NotImplementedError

    def latest(self) -> RunRow | None:
        """The newest run that did something (not skipped), or None."""
        raise NotImplementedError

    def last_params(self) -> Mapping[str, Any] | None:
        """Parameters of the newest run that was not skipped: what "the same again" means. None before the first run."""
        raise NotImplementedError

    def states(self, run_ids: list[str]) -> dict[str, RunState]:
        """The states of these runs; unknown ids are left out."""
        raise NotImplementedError
