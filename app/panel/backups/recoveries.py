"""The recoveries that happened, and whether people know of them."""

import threading
from pathlib import Path
from typing import Final

from sqlmodel import col, select

from app.panel.audit.actor import current_actor
from app.panel.audit.record import record
from app.panel.backups.problems import RecoveryNotFoundError
from app.panel.backups.recovery import Report, restore_history
from app.panel.backups.tables import Recovery
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.logs.store import LogStore
from app.panel.pages.renderer import Notice

SHOWN: Final = 20
PAGE: Final = "/backups"


def restored_history(db: Database, logs: LogStore, *, runs_dir: Path, models_dir: Path, clock: Clock) -> "Recoveries":
    """Make the database agree with the folders, and return the recoveries, of which this may be one.

    Sync; before anything else reads the database.
    """
    cause, report = restore_history(db, logs, runs_dir=runs_dir, models_dir=models_dir, now=clock.now())
    recoveries = Recoveries(db, clock)
    if cause:
        recoveries.add(cause, report)
    return recoveries


class Recoveries:
    """Sync and thread-safe. Whether there is one that nobody has confirmed is kept in memory: every page asks."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._unseen = self._read_unseen()

    @property
    def unseen(self) -> Recovery | None:
        """Return the newest recovery that nobody has confirmed to know of, None if there is none."""
        return self._unseen

    def notice(self) -> Notice | None:
        """Return what every page says until somebody has confirmed it."""
        if self._unseen is None:
            return None
        return Notice(f"{self._unseen.cause} The history was restored; something may be missing.", PAGE)

    def add(self, cause: str, report: Report) -> None:
        """Record a recovery and who did it: the panel. Not again what the last one has already said."""
        content = report.model_dump(mode="json")
        with self._db.write() as session:
            last = session.exec(select(Recovery).order_by(col(Recovery.id).desc()).limit(1)).first()
            is_repeated = last is not None and Report.model_validate(last.report).left_alone == report.left_alone
            if is_repeated and report.left_alone and report.is_only_left_alone:
                return
            row = Recovery(at=self._clock.now(), cause=cause, report=content)
            session.add(row)
            record(session, row.at, "database.restore", "panel.db", after=content, detail=cause, by_panel=True)
        self._unseen = self._read_unseen()

    def newest(self) -> list[Recovery]:
        """Return the newest recoveries, newest first."""
        with self._db.read() as session:
            return [*session.exec(select(Recovery).order_by(col(Recovery.id).desc()).limit(SHOWN))]

    def confirm(self, id: int) -> None:
        """Record that the current actor knows of this recovery and of those before it. Raises RecoveryNotFoundError."""
        now = self._clock.now()
        with self._lock, self._db.write() as session:
            row = session.get(Recovery, id)
            if row is None:
                raise RecoveryNotFoundError(id)
            open_ones = select(Recovery).where(col(Recovery.id) <= id, col(Recovery.seen_at).is_(None))
            for each in session.exec(open_ones):
                each.seen_at, each.seen_by = now, current_actor().name
            record(session, now, "database.confirm", f"restored {row.at:%Y-%m-%d %H:%M}")
        self._unseen = self._read_unseen()

    def _read_unseen(self) -> Recovery | None:
        with self._db.read() as session:
            unseen = select(Recovery).where(col(Recovery.seen_at).is_(None))
            return session.exec(unseen.order_by(col(Recovery.id).desc()).limit(1)).first()
