"""Recovers the run that an earlier panel left, when the panel starts. May itself be killed and run again."""

import json
import logging
from contextlib import suppress
from pathlib import Path

from app.panel.clock import Clock
from app.panel.leftovers import clean_run
from app.panel.logs.store import LogStore
from app.panel.runs.dispatch.finish import finish_run
from app.panel.runs.domain.decide import Finish, decide
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.store import RunStore
from app.panel.runs.stage_process.stage_main import ATTEMPT_ENV
from app.processes.marks import kill_marked
from app.processes.tree import kill_group
from pipeline.core.problems import ProblemError
from pipeline.core.temporary import remove_left

log = logging.getLogger(__name__)


def recover(
    *, store: RunStore, service: RunService, logs: LogStore, runs_dir: Path, policy: RetryPolicy, clock: Clock
) -> None:
    """End what an earlier panel left running, and continue the newest run if it was interrupted.

    `decide` finishes a run whose process is gone; a queued or retrying one keeps its place for the executor. Sync.
    """
    run = store.find_active()
    if run is not None:
        kill_leftovers(runs_dir, run.id)
        clean_run(runs_dir / run.id)
        remove_left(runs_dir / run.id / "attempts", "*.out")
        snapshot = store.snapshot(run.id)
        now = clock.now()
        last_succeeded = store.find_latest(RunState.SUCCEEDED, before=run.number)
        decision = decide(run, snapshot.attempts, now=now, policy=policy, last_succeeded=last_succeeded, is_ours=False)
        if isinstance(decision, Finish):
            duration_s = max(0.0, (now - (run.started_at or now)).total_seconds())
            finish_run(
                snapshot, decision, store=store, logs=logs, runs_dir=runs_dir, clock=clock, duration_s=duration_s
            )
    newest = store.find_latest()
    if newest is not None and newest.state == RunState.INTERRUPTED and store.find_child(newest.id) is None:
        try:
            service.recover(newest)
        except ProblemError as problem:  # a full disk must not keep the panel from starting
            log.warning("action=recover run_id=%s problem=%s", newest.id, problem)


def kill_leftovers(runs_dir: Path, run_id: str) -> None:
    """Kill the process groups of the run's attempts, and whatever they have started that left the group.

    A process is only taken for one of ours if it started when ours did, or carries our mark in its environment.
    """
    for path in (runs_dir / run_id / "attempts").glob("*.pid"):
        with suppress(OSError, ValueError):
            kill_group(json.loads(path.read_text()))
        path.unlink(missing_ok=True)
    kill_marked(ATTEMPT_ENV, run_id)
