"""Decides what is next for a run, from its row, its attempts and the time. Pure: a restart reads the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.run_columns import is_unchanged, no_change
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES, StageName

PANEL_STOPPED: Final = "The panel stopped during this run."


@dataclass(frozen=True, slots=True)
class Start:
    """Move the queued run to running, and prepare its folder."""


@dataclass(frozen=True, slots=True)
class RunStage:
    """Begin the next attempt of `stage`."""

    stage: StageName


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Retry the stage at `at`; None: leave the run as it is, the next start of the panel continues it.

    `reason` is what the attempt failed with, `n_failures` counts the failed attempts of this stage.
    """

    at: datetime | None
    reason: str = ""
    n_failures: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The run ends, or has ended, in `state`; `error` and `verdict` are columns of the run where not None."""

    state: RunState
    reason: str
    error: Mapping[str, Any] | None = None
    verdict: Mapping[str, Any] | None = None


Decision = Start | RunStage | WaitUntil | Finish


def decide(
    run: Run,
    attempts: Sequence[StageAttempt],
    *,
    now: datetime,
    policy: RetryPolicy,
    last_succeeded: Run | None = None,
    is_ours: bool = True,
    is_stopping: bool = False,
    fault: ProblemError | None = None,
) -> Decision:
    """Return the next step of `run`; `attempts` are all of its attempts, oldest first within a stage.

    `last_succeeded` is the newest run before it that succeeded. `is_ours`: this panel has been executing the run, so
    that its process is known; otherwise an earlier panel left it. `is_stopping`: the panel is going down. `fault`: the
    panel itself cannot continue the run.
    """
    ending = _ending(run, fault)
    if ending is not None:
        return ending
    if run.state == RunState.RUNNING:
        return _next_step(run, attempts, now, policy, last_succeeded, is_ours=is_ours, is_stopping=is_stopping)
    if is_stopping:
        return WaitUntil(None)
    if run.state == RunState.QUEUED:
        return Start()
    # Never longer than the delay: the wall clock may have jumped.
    due_at = min(run.retry_at or now, now + timedelta(seconds=policy.delay_s))
    stage = next_stage(run, attempts) or STAGES[-1]
    return RunStage(stage) if due_at <= now else WaitUntil(due_at, run.reason, run.n_failures)


def first_stage(run: Run) -> StageName:
    """Return the stage that the run starts from."""
    return next(stage for stage in STAGES if stage == run.from_stage)


def next_stage(run: Run, attempts: Sequence[StageAttempt]) -> StageName | None:
    """Return the first stage of the run that has not succeeded, None if all have."""
    done = {attempt.stage for attempt in attempts if attempt.state == AttemptState.SUCCEEDED}
    stages = STAGES[STAGES.index(first_stage(run)) :]
    return next((stage for stage in stages if stage not in done), None)


def _ending(run: Run, fault: ProblemError | None) -> Finish | None:
    """Return the end of a run that must not go on, whatever its stages have done."""
    state = RunState(run.state)
    if state.is_final:  # it was cancelled while it was queued or waited
        return Finish(state, run.reason)
    if state == RunState.CANCELLING:
        live = f" Model version {run.model_version} had already gone live." if run.deployed else ""
        return Finish(RunState.CANCELLED, run.reason + live)
    return None if fault is None else Finish(RunState.FAILED, fault.what, error=fault.as_dict())


def _next_step(
    run: Run,
    attempts: Sequence[StageAttempt],
    now: datetime,
    policy: RetryPolicy,
    last_succeeded: Run | None,
    *,
    is_ours: bool,
    is_stopping: bool,
) -> Decision:
    """Return the next step of a run that is `running`."""
    stage = next_stage(run, attempts)
    if stage is None:
        return Finish(RunState.SUCCEEDED, run.reason)
    if stage == "process_data" and last_succeeded is not None and is_unchanged(run, last_succeeded):
        verdict = no_change(last_succeeded)
        return Finish(RunState.SUCCEEDED, verdict["reason"], verdict=verdict)
    last = next((attempt for attempt in reversed(attempts) if attempt.stage == stage), None)
    if not is_ours or (last is not None and last.state == AttemptState.RUNNING):  # its process is gone
        return Finish(RunState.INTERRUPTED, PANEL_STOPPED)
    if last is not None and last.state == AttemptState.FAILED:
        return _after_failure(run, last, now, policy)
    return Finish(RunState.INTERRUPTED, PANEL_STOPPED) if is_stopping else RunStage(stage)


def _after_failure(run: Run, attempt: StageAttempt, now: datetime, policy: RetryPolicy) -> Decision:
    problem = ProblemError.restore(attempt.error or {})
    n_failures = run.n_failures + 1
    if not policy.allows_retry(problem, n_failures):
        return Finish(RunState.FAILED, problem.what, error=attempt.error)
    return WaitUntil(now + timedelta(seconds=policy.delay_s), problem.what, n_failures)
