"""The next step of a run, as a table, and over the full product of states."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from app.panel.runs.domain.attempt_problems import PanelFaultError, StageTimeoutError
from app.panel.runs.domain.decide import PANEL_STOPPED, Decision, Finish, RunStage, Start, WaitUntil, decide
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.state import NEXT, AttemptState, RunState, Trigger
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES, StageName

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
POLICY = RetryPolicy(delay_s=30.0, retries=2)
DUE = NOW + timedelta(seconds=30)
PASSING = StageTimeoutError("train_model", 5)
LASTING = ProblemError.restore({"id": "DATA-01", "what": "There is no table.", "retryable": False})
FAULT = PanelFaultError(ZeroDivisionError("by zero"))
DIGESTS: dict[str, Any] = {"data_digest": "d", "params_digest": "p", "code_digest": "c"}


def run(state: RunState = RunState.RUNNING, from_stage: StageName = "set_seed", **columns: Any) -> Run:
    return Run(id="r", number=2, state=state, from_stage=from_stage, params={}, requested_by="ann", created_at=NOW,
               **columns)  # fmt: skip


def attempts(*states: AttemptState, error: ProblemError | None = None) -> list[StageAttempt]:
    """Return one attempt of each stage in order; `error` is what the last one failed with."""
    rows = [
        StageAttempt(run_id="r", stage=stage, attempt=1, state=state, started_at=NOW)
        for stage, state in zip(STAGES, states, strict=False)
    ]
    if error is not None:
        rows[-1].error = error.as_dict()
    return rows


DONE, FAILED, REUSED, UNDER_WAY = (
    AttemptState.SUCCEEDED,
    AttemptState.FAILED,
    AttemptState.REUSED,
    AttemptState.RUNNING,
)
CANCELLED, INTERRUPTED = AttemptState.CANCELLED, AttemptState.INTERRUPTED
HERE: dict[str, Any] = {}
STOPPING = {"is_stopping": True}
LEFT = {"is_ours": False}
SCHEDULED: dict[str, Any] = {"trigger": Trigger.SCHEDULE, **DIGESTS}
LAST = {"last_succeeded": run(RunState.SUCCEEDED, **DIGESTS)}
CHANGED = {"last_succeeded": run(RunState.SUCCEEDED, **{**DIGESTS, "code_digest": "other"})}
NO_CHANGE = "No change: data, code and parameters are those of run 2; nothing to train."
GONE = Finish(RunState.INTERRUPTED, PANEL_STOPPED)


@pytest.mark.parametrize(
    ("of_run", "of_stages", "circumstances", "decision"),
    [
        # queued
        (run(RunState.QUEUED), [], HERE, Start()),
        (run(RunState.QUEUED), [], LEFT, Start()),
        (run(RunState.QUEUED), [], STOPPING, WaitUntil(None)),
        (run(RunState.QUEUED), [], {"fault": FAULT}, Finish(RunState.FAILED, FAULT.what, FAULT.as_dict())),
        # running, one stage after the other
        (run(), [], HERE, RunStage("set_seed")),
        (run(), attempts(DONE), HERE, RunStage("process_data")),
        (run(), attempts(DONE, DONE, DONE), HERE, RunStage("deploy")),
        (run(reason="Live."), attempts(DONE, DONE, DONE, DONE), HERE, Finish(RunState.SUCCEEDED, "Live.")),
        (run(reason="Live."), attempts(DONE, DONE, DONE, DONE), STOPPING, Finish(RunState.SUCCEEDED, "Live.")),
        (run(reason="Live."), attempts(DONE, DONE, DONE, DONE), LEFT, Finish(RunState.SUCCEEDED, "Live.")),
        (run(from_stage="train_model"), attempts(REUSED, REUSED), HERE, RunStage("train_model")),
        (run(from_stage="deploy"), attempts(REUSED, REUSED, REUSED, DONE), HERE, Finish(RunState.SUCCEEDED, "")),
        # nothing to do
        (run(**SCHEDULED), attempts(DONE), LAST,
         Finish(RunState.SUCCEEDED, NO_CHANGE, verdict={"decision": "no change", "reason": NO_CHANGE})),
        (run(**SCHEDULED), attempts(DONE), CHANGED, RunStage("process_data")),
        (run(**SCHEDULED, force=True), attempts(DONE), LAST, RunStage("process_data")),
        (run(**SCHEDULED), [], LAST, RunStage("set_seed")),
        (run(**DIGESTS), attempts(DONE), LAST, RunStage("process_data")),
        # a failed attempt
        (run(), attempts(DONE, FAILED, error=PASSING), HERE, WaitUntil(DUE, PASSING.what, 1)),
        (run(n_failures=1), attempts(DONE, FAILED, error=PASSING), HERE, WaitUntil(DUE, PASSING.what, 2)),
        (run(n_failures=2), attempts(DONE, FAILED, error=PASSING), HERE,
         Finish(RunState.FAILED, PASSING.what, PASSING.as_dict())),
        (run(), attempts(FAILED, error=LASTING), HERE, Finish(RunState.FAILED, LASTING.what, LASTING.as_dict())),
        (run(), attempts(FAILED, error=PASSING), STOPPING, WaitUntil(DUE, PASSING.what, 1)),
        # waiting for the next attempt
        (run(RunState.RETRYING, retry_at=DUE, reason="x", n_failures=1), attempts(FAILED), HERE, WaitUntil(DUE, "x", 1)),
        (run(RunState.RETRYING, retry_at=DUE, reason="x", n_failures=1), attempts(FAILED), LEFT, WaitUntil(DUE, "x", 1)),
        (run(RunState.RETRYING, retry_at=DUE), attempts(FAILED), STOPPING, WaitUntil(None)),
        (run(RunState.RETRYING, retry_at=NOW), attempts(DONE, FAILED), HERE, RunStage("process_data")),
        (run(RunState.RETRYING, retry_at=NOW), attempts(DONE, FAILED), LEFT, RunStage("process_data")),
        (run(RunState.RETRYING), attempts(FAILED), HERE, RunStage("set_seed")),
        (run(RunState.RETRYING, retry_at=NOW + timedelta(days=1)), attempts(FAILED), HERE, WaitUntil(DUE)),  # a jump
        # the panel was stopped, or has stopped, under it
        (run(), attempts(DONE, UNDER_WAY), LEFT, GONE),
        (run(), attempts(DONE), LEFT, GONE),
        (run(), [], LEFT, GONE),
        (run(), attempts(FAILED, error=PASSING), LEFT, GONE),
        (run(), attempts(DONE, INTERRUPTED), STOPPING, GONE),
        (run(), attempts(DONE), STOPPING, GONE),
        (run(), attempts(UNDER_WAY), HERE, GONE),
        # cancelled
        (run(RunState.CANCELLING, reason="By ann."), attempts(CANCELLED), HERE, Finish(RunState.CANCELLED, "By ann.")),
        (run(RunState.CANCELLING, reason="By ann."), attempts(UNDER_WAY), LEFT, Finish(RunState.CANCELLED, "By ann.")),
        (run(RunState.CANCELLING, reason="By ann.", deployed=True, model_version=7), attempts(DONE), HERE,
         Finish(RunState.CANCELLED, "By ann. Model version 7 had already gone live.")),
        (run(RunState.CANCELLED, reason="By ann."), attempts(FAILED), HERE, Finish(RunState.CANCELLED, "By ann.")),
        # the panel itself fails
        (run(), attempts(UNDER_WAY), {"fault": FAULT}, Finish(RunState.FAILED, FAULT.what, FAULT.as_dict())),
        (run(RunState.RETRYING, retry_at=DUE), [], {"fault": FAULT},
         Finish(RunState.FAILED, FAULT.what, FAULT.as_dict())),
        (run(RunState.CANCELLING, reason="x"), [], {"fault": FAULT}, Finish(RunState.CANCELLED, "x")),
    ],
)  # fmt: skip
def test_next_step_is_this_when_a_run_is_so(
    of_run: Run, of_stages: list[StageAttempt], circumstances: dict[str, Any], decision: Decision
) -> None:
    assert decide(of_run, of_stages, now=NOW, policy=POLICY, **circumstances) == decision


def _moves_to(decision: Decision) -> RunState | None:
    """Return the state that a decision moves a run to, None if it stays."""
    match decision:
        case Start() | RunStage():
            return RunState.RUNNING
        case WaitUntil(None):
            return None
        case WaitUntil():
            return RunState.RETRYING
        case Finish(state):
            return state


LAST_ATTEMPTS = [None, *AttemptState]
FLAGS = list(product([True, False], [True, False], [None, FAULT]))


@pytest.mark.parametrize(("state", "last"), list(product(RunState, LAST_ATTEMPTS)))
def test_decision_is_possible_and_respects_its_flags_when_anything_comes_together(
    state: RunState, last: AttemptState | None
) -> None:
    for n_done, (is_ours, is_stopping, fault), error in product(range(4), FLAGS, [PASSING, LASTING]):
        of_stages = attempts(
            *[DONE] * n_done, *([] if last is None else [last]), error=error if last == FAILED else None
        )
        columns: dict[str, Any] = {"retry_at": DUE} if state == RunState.RETRYING else {}
        decision = decide(
            run(state, **columns), of_stages, now=NOW, policy=POLICY, is_ours=is_ours, is_stopping=is_stopping,
            fault=fault,
        )  # fmt: skip
        new = _moves_to(decision)
        assert new in {None, state} or new in NEXT[state]
        if state.is_final or state == RunState.CANCELLING or fault is not None:
            assert isinstance(decision, Finish)
        if is_stopping:
            assert not isinstance(decision, Start | RunStage)
        if state == RunState.RUNNING and not is_ours:
            assert isinstance(decision, Finish)
        if state in {RunState.QUEUED, RunState.RETRYING} and fault is None:
            assert not isinstance(decision, Finish)
