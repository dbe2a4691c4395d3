"""The truth at boot: what the panel left behind when it went away is ended, said, and gone on with.

May itself be killed at any point and be run again.
"""

import json
import logging
from contextlib import suppress
from pathlib import Path

from app.panel.clock import Clock
from app.panel.logs.store import LogStore
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.store import RunStore
from app.panel.runs.domain.tables import Run
from app.panel.runs.stage_process.stage_main import ATTEMPT_ENV
from app.processes.marks import kill_marked
from app.processes.tree import kill_group
from pipeline.core.problems import ProblemError

_log = logging.getLogger(__name__)
PANEL_STOPPED = "The panel stopped during this run."


def reconcile(*, store: RunStore, service: RunService, logs: LogStore, runs_dir: Path, clock: Clock) -> None:
    """Afterwards no process of an earlier panel runs, and no run says that it does.

    A running run becomes interrupted, a cancelling one cancelled; queued and retrying ones have no process and keep
    their place. If the newest run was interrupted, a recovery run goes on from its last finished stage.
    """
    run = store.find_active()
    if run is not None:
        kill_leftovers(runs_dir, run.id)
        if run.state in {RunState.RUNNING, RunState.CANCELLING}:
            _end(run, store, logs, clock)
    newest = store.find_latest()
    if newest is not None and newest.state == RunState.INTERRUPTED and store.find_child(newest.id) is None:
        try:
            service.recover(newest)
        except ProblemError as problem:  # a full disk must not keep the panel from starting
            _log.warning("action=recover run_id=%s problem=%s", newest.id, problem)


def kill_leftovers(runs_dir: Path, run_id: str) -> None:
    """Kill the process groups of the run's attempts, and whatever they have started that left the group.

    A process is only taken for one of ours if it started when ours did, or carries our mark in its environment.
    """
    for path in (runs_dir / run_id / "attempts").glob("*.pid"):
        with suppress(OSError, ValueError):
            kill_group(json.loads(path.read_text()))
        path.unlink(missing_ok=True)
    kill_marked(ATTEMPT_ENV, run_id)


def _end(run: Run, store: RunStore, logs: LogStore, clock: Clock) -> None:
    cancelled = run.state == RunState.CANCELLING
    state, reason = (RunState.CANCELLED, run.reason) if cancelled else (RunState.INTERRUPTED, PANEL_STOPPED)
    store.interrupt_attempts(run.id)
    now = clock.now()
    counts = logs.counts(run.id)
    duration_s = None if run.started_at is None else max(0.0, round((now - run.started_at).total_seconds(), 3))
    facts = {"duration_s": duration_s, "n_warnings": counts.n_warnings, "n_errors": counts.n_errors}
    store.move(run.id, RunState(run.state), state, reason, **facts)
    logs.append(run.id, [(now, run.stage or run.from_stage, 0, "warning", f"Run {run.number} {state}. {reason}")])
    logs.close(run.id)
