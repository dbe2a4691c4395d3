"""Housekeeping: a daily backup of the database, and freeing memory and files that are not needed any more."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from app.panel.clock import Clock
from app.panel.db.copies import back_up, last_backup
from app.panel.db.engine import Database
from app.panel.runs.dispatch.executor import Executor
from app.panel.runs.stage_process.launcher import Launcher
from app.panel.schedule.service import ScheduleService
from pipeline.core.disk import disk_problem

log = logging.getLogger(__name__)
RUN_EVERY_S: Final = 60.0
PRELOAD_AFTER_S: Final = 0.3  # the launcher's imports take seconds of a core; the first page comes first
TIDY_EVERY_S: Final = 3600.0
BACK_UP_EVERY: Final = timedelta(days=1)
IDLE_BEFORE_UNLOAD_S: Final = 15 * 60.0


class Maintenance:
    """A worker in the event loop; nothing depends on its having run. `tidy` are called hourly while no run is under way.

    `renew_access` writes the access list where that has failed.
    """

    def __init__(
        self,
        *,
        db: Database,
        launcher: Launcher,
        executor: Executor,
        schedule: ScheduleService,
        clock: Clock,
        tidy: Sequence[Callable[[], None]],
        renew_access: Callable[[], None],
    ) -> None:
        self._renew_access = renew_access
        self._db, self._launcher, self._executor, self._schedule = db, launcher, executor, schedule
        self._clock, self._tidy = clock, tidy
        self._tidied_at = -TIDY_EVERY_S
        self._used_at = clock.monotonic()
        self._loaded = True
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, and soon start the launcher, so that the first run starts as fast as all others."""
        asyncio.get_running_loop().call_later(PRELOAD_AFTER_S, self._launcher.start)
        self._task = asyncio.create_task(self._run(), name="maintenance")

    async def stop(self) -> None:
        """End, and stop the launcher's processes."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._launcher.stop)

    async def run_once(self) -> None:
        """Start or stop the launcher, delete old files and back up the database, each if it is due."""
        await asyncio.to_thread(self._renew_access)
        now = self._clock.monotonic()
        if self._executor.busy or not self._schedule.view().paused:
            self._used_at = now
            if not self._loaded:
                self._launcher.start()
                self._loaded = True
        elif self._loaded and now - self._used_at >= IDLE_BEFORE_UNLOAD_S:
            await asyncio.to_thread(self._launcher.stop)
            self._loaded = False
        if not self._executor.busy and now - self._tidied_at >= TIDY_EVERY_S:
            for each in self._tidy:
                await asyncio.to_thread(each)
            self._tidied_at = now
        wall = self._clock.now()
        last = last_backup(self._db.path)
        if last is None or abs(wall - last) >= BACK_UP_EVERY:  # a clock that was ahead must not put it off for ever
            await asyncio.to_thread(back_up, self._db.path, wall)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(RUN_EVERY_S)
            try:
                await self.run_once()
            except (OSError, sqlite3.OperationalError) as error:  # a full disk: it comes again every minute
                log.warning("action=maintain problem=%s", disk_problem(error, (self._db.path.parent,)) or error)
            except Exception:
                log.exception("action=maintain")
