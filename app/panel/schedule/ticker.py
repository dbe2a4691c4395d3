"""Drives the schedule. The only importer of APScheduler, whose deadlines are wall-clock times.

So the job is moved whenever the wall clock and the monotonic clock disagree about when it is due, a job that fires
too early does nothing, and one that does not fire is made up for.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from app.panel.clock import Clock
from app.panel.notifier import Notifier
from app.panel.runs.domain.service import RunService
from app.panel.schedule.service import SCHEDULE_TOPIC, ScheduleService
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)
BEAT_S: Final = 1.0
DEAD_AFTER_S: Final = 10.0
TOLERANCE_S: Final = 0.2
JOB: Final = "cycle"


class Ticker:
    """Event loop only, except for `ticking`."""

    def __init__(self, schedule: ScheduleService, runs: RunService, notifier: Notifier, clock: Clock) -> None:
        self._schedule, self._runs, self._notifier, self._clock = schedule, runs, notifier, clock
        self._scheduler: Any = AsyncIOScheduler(
            timezone="UTC", job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        )
        self._guard: asyncio.Task[None] | None = None
        self._beat: float | None = None

    async def start(self) -> None:
        """Begin to tick in the running event loop."""
        self._scheduler.start()
        self._guard = asyncio.create_task(self._watch(), name="ticker")

    async def stop(self) -> None:
        """Stop; no tick follows."""
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.gather(self._guard, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    @property
    def ticking(self) -> bool:
        """Return True if it would notice a due run."""
        beat = self._beat
        return bool(self._scheduler.running) and beat is not None and self._clock.monotonic() - beat < DEAD_AFTER_S

    @property
    def next_fire_at(self) -> datetime | None:
        """Return when the job fires, by the wall clock."""
        job = self._scheduler.get_job(JOB)
        fire_at: datetime | None = None if job is None else job.next_run_time
        return fire_at

    async def sync(self) -> None:
        """Put the job where the schedule says, and make up for a tick that did not come."""
        view = self._schedule.view()
        if view.due_in_s is None or view.next_due_at is None:
            if self._scheduler.get_job(JOB) is not None:
                self._scheduler.remove_job(JOB)
        elif view.due_in_s <= 0:
            await self._tick()
        else:
            fire_at = self.next_fire_at
            if fire_at is None or abs((fire_at - view.next_due_at).total_seconds()) > TOLERANCE_S:
                # A little later than due: one that came too early would do nothing.
                run_date = view.next_due_at + timedelta(milliseconds=10)
                self._scheduler.add_job(self._tick, DateTrigger(run_date), id=JOB, replace_existing=True)
        self._beat = self._clock.monotonic()

    async def _tick(self) -> None:
        await asyncio.to_thread(self._schedule.tick, self._runs)

    async def _watch(self) -> None:
        with self._notifier.subscribe(SCHEDULE_TOPIC) as changed:
            while True:
                changed.clear()
                try:
                    await self.sync()
                except ProblemError as problem:  # a database that is full or locked for a while: tried again next time
                    log.warning("action=tick problem=%s", problem)
                except Exception:  # whatever it is, the schedule must survive it
                    log.exception("action=tick")
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):  # wait_for may swallow a cancellation that comes with the event
                        await changed.wait()
