"""What can be done with runs: start, cancel, rerun. Pages, API, terminal and schedule all call these verbs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.panel.runs.state import RunState, Trigger
from pipeline.stage import StageName


@dataclass(frozen=True, slots=True)
class Started:
    """The answer to a start: the run, and whether this very call created it (False: the same key came before)."""

    id: str
    number: int
    state: RunState
    created: bool


class RunService:
    """The verbs. Sync and thread-safe; each returns after its effect is committed."""

    def start(
        self,
        trigger: Trigger = Trigger.MANUAL,
        *,
        params: Mapping[str, Any] | None = None,
        from_stage: StageName = "set_seed",
        parent_id: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
        requested_by: str = "",
    ) -> Started:
        """Queue a run and return it; the same `idempotency_key` always gives the same run.

        `params` are laid over the defaults; None means the parameters of the newest run (the schedule: of the last
        that succeeded). Raises ProblemError RUN-01 (409, another run is active; `.run_id` names it), RUN-03 (422,
        parameters not valid), RUN-04 (409, nothing to continue from), DISK-01 (507, disk nearly full).
        """
        raise NotImplementedError

    def cancel(self, run_id: str, *, requested_by: str = "") -> RunState:
        """Ask a run to end; the new state. Already cancelled or cancelling: the same answer again.

        Raises ProblemError RUN-02 (404, no such run), RUN-05 (409, it has already ended otherwise).
        """
        raise NotImplementedError

    def rerun(
        self,
        run_id: str,
        *,
        from_stage: StageName | None = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        requested_by: str = "",
    ) -> Started:
        """A new run like `run_id`, from `from_stage` (None: the stage that did not succeed, else the first).

        `params` None: those of `run_id`. Raises as `start`, and RUN-02.
        """
        raise NotImplementedError
