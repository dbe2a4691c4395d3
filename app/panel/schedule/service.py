"""Pauses, resumes and changes the schedule, and starts the runs that are due."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.panel.audit.record import record
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.db.problems import UNAVAILABLE
from app.panel.notifier import Notifier
from app.panel.runs.domain.problems import ActiveRunError
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import Trigger
from app.panel.schedule.problems import MAX_INTERVAL_S, InvalidIntervalError
from app.panel.schedule.tables import Schedule
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)
SCHEDULE_TOPIC: Final = "schedule"  # notified when the schedule was changed


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The schedule now. `next_due_at` and `due_in_s` are None while it is not armed (before the first run) or paused."""

    interval_s: int
    armed: bool
    paused: bool
    paused_by: str | None
    paused_at: datetime | None
    next_due_at: datetime | None
    due_in_s: float | None


class ScheduleService:
    """Sync and thread-safe; idempotent.

    Due times are kept on the monotonic clock, so that a wall clock that jumps moves no run; the wall time of the next
    one is stored for people and for a restart.
    """

    def __init__(self, *, db: Database, clock: Clock, notifier: Notifier, default_interval_s: int) -> None:
        self._db, self._clock, self._notifier = db, clock, notifier
        self._default_interval_s = default_interval_s
        self._lock = threading.Lock()  # of who changes it; held while the database works, so `view` does without
        with db.read() as session:
            row = session.get(Schedule, 1) or Schedule(id=1)
        due: float | None = None
        if row.armed and not row.paused and row.next_due_at is not None:
            left_s = (row.next_due_at - clock.now()).total_seconds()
            due = clock.monotonic() + min(max(left_s, 0.0), row.interval_s or default_interval_s)
        self._state = (row, due)  # replaced as a whole: whoever reads it needs no lock

    def view(self) -> ScheduleView:
        """Return the schedule now."""
        row, due = self._state
        due_in_s = None if due is None else max(0.0, due - self._clock.monotonic())
        return ScheduleView(
            interval_s=row.interval_s or self._default_interval_s,
            armed=row.armed,
            paused=row.paused,
            paused_by=row.paused_by,
            paused_at=row.paused_at,
            next_due_at=None if due_in_s is None else self._clock.now() + timedelta(seconds=due_in_s),
            due_in_s=due_in_s,
        )

    def arm(self) -> None:
        """Begin to schedule runs: called with the first manual run. No-op when armed."""
        with self._lock:
            if self._row.armed:
                return
            self._set(None if self._row.paused else self._interval_s, armed=True)
        self._notifier.notify(SCHEDULE_TOPIC)

    def pause(self, *, requested_by: str) -> ScheduleView:
        """Schedule no run until it is resumed; an active one continues."""
        with self._lock:
            if not self._row.paused:
                self._set(None, "schedule.pause", paused=True, paused_by=requested_by, paused_at=self._clock.now())
                log.info("action=pause by=%s", requested_by)
        self._notifier.notify(SCHEDULE_TOPIC)
        return self.view()

    def resume(self, *, requested_by: str) -> ScheduleView:
        """Make the next run due one interval from now, and arm the schedule. No-op unless it is paused or not armed."""
        with self._lock:
            if self._row.paused or not self._row.armed:
                self._set(self._interval_s, "schedule.resume", paused=False, paused_by=None, paused_at=None, armed=True)
                log.info("action=resume by=%s", requested_by)
        self._notifier.notify(SCHEDULE_TOPIC)
        return self.view()

    def set_interval(self, interval_s: int, *, requested_by: str) -> ScheduleView:
        """Change the interval; the next run is due one new interval from now. Raises ProblemError RUN-06 (422)."""
        if not 1 <= interval_s <= MAX_INTERVAL_S:
            raise InvalidIntervalError(interval_s)
        with self._lock:
            if interval_s != self._interval_s:
                in_s = interval_s if self._row.armed and not self._row.paused else None
                self._set(in_s, "schedule.change", interval_s=interval_s)
                log.info("action=set_interval interval_s=%d by=%s", interval_s, requested_by)
        self._notifier.notify(SCHEDULE_TOPIC)
        return self.view()

    def tick(self, runs: RunService) -> None:
        """Start the scheduled run with `runs` if it is due; if it cannot be started, leave a row that says why.

        May be called at any time and any number of times: each due time is taken once, also by a panel that was killed
        half-way. Ticks that were missed become one. While the database is away (ProblemError DB-04, DB-05) it stays due.
        """
        with self._lock:
            row, due = self._state
            now = self._clock.monotonic()
            if due is None or now < due:
                return
            key = f"schedule:{row.next_due_at and row.next_due_at.isoformat()}"  # nobody can have both the run and the due time in one transaction
            try:
                runs.start(Trigger.SCHEDULE, requested_by="schedule", idempotency_key=key)
            except UNAVAILABLE:
                raise
            except ActiveRunError as busy:
                runs.skip(f"Run {busy.number} was still active.", key)
            except ProblemError as problem:
                runs.skip(str(problem), key)
            late_s = now - due
            self._set(self._interval_s - late_s if late_s < self._interval_s else self._interval_s)
        self._notifier.notify(SCHEDULE_TOPIC)

    @property
    def _row(self) -> Schedule:
        return self._state[0]

    @property
    def _interval_s(self) -> int:
        return self._row.interval_s or self._default_interval_s

    def _set(self, in_s: float | None, action: str = "", **changes: object) -> None:
        """Store the next due time and `changes`, recorded as `action`; where that fails, nothing has changed.

        The lock is held.
        """
        next_due_at = None if in_s is None else self._clock.now() + timedelta(seconds=in_s)
        with self._db.write() as session:
            row = session.merge(Schedule(**{**self._row.model_dump(), **changes, "next_due_at": next_due_at}))
            if action:
                before, after = self._described(self._row), self._described(row)
                record(session, self._clock.now(), action, "schedule", before=before, after=after)
        self._state = (row, None if in_s is None else self._clock.monotonic() + in_s)

    def _described(self, row: Schedule) -> dict[str, object]:
        interval_s = row.interval_s or self._default_interval_s
        return {"interval_s": interval_s, "paused": row.paused, "armed": row.armed}
