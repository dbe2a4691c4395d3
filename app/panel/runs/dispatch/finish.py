"""Gives a run its final state, with its totals and the last line of its log."""

import logging
from pathlib import Path

from app.panel.clock import Clock
from app.panel.logs.line import LogCounts
from app.panel.logs.store import LogStore
from app.panel.runs.domain.decide import Finish
from app.panel.runs.domain.run_file import write_run_file
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.store import RunSnapshot, RunStore
from pipeline.core.events import Level

log = logging.getLogger(__name__)

_LEVELS: dict[RunState, Level] = {RunState.FAILED: "error", RunState.INTERRUPTED: "warning"}


def finish_run(
    snapshot: RunSnapshot,
    decision: Finish,
    *,
    store: RunStore,
    logs: LogStore,
    runs_dir: Path,
    clock: Clock,
    duration_s: float,
) -> None:
    """End the run as decided; attempts that are still running are interrupted. Its log does not grow afterwards.

    What is known of it by then goes into its folder.

    Sync. Raises LostRaceError if the run was moved by somebody else meanwhile.
    """
    run = snapshot.run
    if any(attempt.state == AttemptState.RUNNING for attempt in snapshot.attempts):
        store.interrupt_attempts(run.id)
    try:
        counts = logs.counts(run.id)
    except OSError as error:  # a log that cannot be read must not keep the run from ending
        log.warning("action=count_lines run_id=%s error=%s", run.id, error)
        counts = LogCounts(0, 0, 0, None)
    columns: dict[str, object] = {
        "duration_s": round(duration_s, 3),
        "n_warnings": counts.n_warnings,
        "n_errors": counts.n_errors,
    }
    if decision.error is not None:
        columns["error"] = dict(decision.error)
    if decision.verdict is not None:
        columns["verdict"] = dict(decision.verdict)
    if decision.state == run.state:
        store.record(run.id, **columns)
    else:
        store.move(run.id, RunState(run.state), decision.state, decision.reason, **columns)
    text = f"Run {run.number} {decision.state}. {decision.reason}".rstrip()
    logs.append(run.id, [(clock.now(), snapshot.stage, snapshot.attempt, _LEVELS.get(decision.state, "info"), text)])
    logs.close(run.id)
    write_run_file(runs_dir, store.snapshot(run.id))
