"""Brings back the runs that the database does not know, from their folders."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlmodel import select

from app.panel.db.engine import Database
from app.panel.logs.store import LogStore
from app.panel.runs.domain.decide import PANEL_STOPPED
from app.panel.runs.domain.run_file import read_run_file
from app.panel.runs.domain.run_from_log import run_from_log
from app.panel.runs.domain.state import ACTIVE, AttemptState, RunState
from app.panel.runs.domain.store import RunSnapshot
from app.panel.runs.domain.tables import Run, RunEvent

RUN_ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
READ_BACK: Final = "Read back from its folder."
BATCH: Final = 200  # runs of one transaction


@dataclass(frozen=True)
class RestoredRuns:
    """The numbers of the runs that were brought back, and of those since the first of them of which nothing is left.

    `unreadable` are folders that tell of no run, `conflicting` those of runs whose number another one has.
    """

    numbers: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    unreadable: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()


def restore_runs(db: Database, logs: LogStore, runs_dir: Path, now: datetime) -> RestoredRuns:
    """Add the runs in `runs_dir` that the database does not know, and end those that only the folder knows to have ended.

    A run whose folder does not say how it ended was interrupted. Costs one look at the folder's entries where nothing
    is missing.
    """
    with db.read() as session:
        states = dict(session.exec(select(Run.id, Run.state)).all())
        id_of = {number: run_id for run_id, number in session.exec(select(Run.id, Run.number)).all()}
    names = (entry.name for entry in runs_dir.iterdir()) if runs_dir.is_dir() else ()
    folders = sorted(name for name in names if RUN_ID.fullmatch(name))
    found: list[RunSnapshot] = []
    unreadable: list[str] = []
    conflicting: list[str] = []
    for name in folders:
        if states.get(name, RunState.RUNNING) not in ACTIVE:
            continue
        snapshot = read_run_file(runs_dir / name)
        if name in states:
            if snapshot is not None and snapshot.run.state not in ACTIVE:
                found.append(snapshot)
            continue
        snapshot = snapshot or run_from_log(runs_dir / name, logs.select(name))
        if snapshot is None:
            unreadable.append(name)
        elif id_of.setdefault(snapshot.run.number, name) != name:
            conflicting.append(name)
        else:
            found.append(_ended(snapshot, now))
    for first in range(0, len(found), BATCH):
        _add(db, found[first : first + BATCH], now)
    numbers = tuple(sorted(snapshot.run.number for snapshot in found))
    missing = tuple(sorted(set(range(numbers[0], max(id_of))) - id_of.keys())) if numbers else ()
    return RestoredRuns(numbers, missing, tuple(unreadable), tuple(conflicting))


def _ended(snapshot: RunSnapshot, now: datetime) -> RunSnapshot:
    """Return a run that is not under way: no process of it is left."""
    run = snapshot.run
    if run.state in ACTIVE:
        run.state, run.reason = RunState.INTERRUPTED, PANEL_STOPPED
        run.finished_at, run.retry_at = run.finished_at or now, None
    for attempt in snapshot.attempts:
        if attempt.state == AttemptState.RUNNING:
            attempt.state = AttemptState.INTERRUPTED
    return snapshot


def _add(db: Database, snapshots: Iterable[RunSnapshot], now: datetime) -> None:
    with db.write() as session:
        for snapshot in snapshots:
            run = session.merge(snapshot.run)
            session.flush()
            for attempt in snapshot.attempts:
                session.merge(attempt)
            at = run.finished_at or now
            session.add(RunEvent(run_id=run.id, at=at, new=run.state, reason=READ_BACK))
