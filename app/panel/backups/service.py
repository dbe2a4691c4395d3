"""Makes backups when they are due or somebody asks for one, and deletes the oldest."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.panel.audit.actor import PANEL, Actor, acting, current_actor
from app.panel.audit.log import AuditLog
from app.panel.backups.make import make_backup, remove_unfinished
from app.panel.backups.place import Backup, Place
from app.panel.backups.problems import BackupFailedError, BackupRunningError
from app.panel.clock import Clock
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)
CHECK_INTERVAL_S: Final = 60.0
REFRESH_AFTER_S: Final = 10.0
RETRY_AFTER: Final = timedelta(hours=1)
STOP_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class BackupState:
    """What there is and what goes on. `running_since` None: nothing. `problem` is why the last one failed, None if it did not.

    `backups` are those at the place when it was last looked at, newest first; `place_problem` is why it could not be.
    `next_at` is when the next one is due, None where none is made by itself.
    """

    backups: tuple[Backup, ...]
    place_problem: ProblemError | None
    running_since: datetime | None
    problem: ProblemError | None
    next_at: datetime | None


class BackupService:
    """Works in a thread of its own, one backup at a time. Thread-safe.

    By itself it makes backups only where `BACKUP_URL` names a place for them: on the disk of the originals a daily copy of
    everything would fill that disk and protect from little.
    """

    def __init__(self, settings: Settings, place: Place, clock: Clock, audit: AuditLog) -> None:
        self._settings, self._place, self._clock, self._audit = settings, place, clock, audit
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._asked_by: Actor | None = None
        self._running_since: datetime | None = None
        self._problem: ProblemError | None = None
        self._next_at: datetime | None = None
        self._backups: tuple[Backup, ...] = ()
        self._place_problem: ProblemError | None = None
        self._looked_at = -REFRESH_AFTER_S
        self._is_asked = False
        self._thread: threading.Thread | None = None

    @property
    def place(self) -> Place:
        """Return where the backups are kept."""
        return self._place

    def start(self) -> None:
        """Begin; returns at once."""
        remove_unfinished(self._settings)
        self._is_asked = True
        self._thread = threading.Thread(target=self._loop, name="backups", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a backup that is being made is given up."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def state(self) -> BackupState:
        """Return what goes on, at once; a place that may be far away is looked at in the background, for the next call."""
        with self._lock:
            self._is_asked = self._clock.monotonic() - self._looked_at >= REFRESH_AFTER_S
            if self._is_asked:
                self._wake.set()
            return BackupState(self._backups, self._place_problem, self._running_since, self._problem, self._next_at)

    def look(self) -> None:
        """Look at the place, and note what is there or why that cannot be said. Blocks."""
        backups: tuple[Backup, ...] = ()
        problem: ProblemError | None = None
        try:
            backups = tuple(self._place.list())
        except ProblemError as error:
            problem = error
        with self._lock:
            self._backups, self._place_problem = backups, problem
            self._looked_at, self._is_asked = self._clock.monotonic(), False

    def request(self) -> None:
        """Have a backup made, for the current actor; returns at once. Raises BackupRunningError."""
        with self._lock:
            if self._running_since is not None:
                raise BackupRunningError
            self._running_since, self._asked_by = self._clock.now(), current_actor()
        self._wake.set()

    def run_once(self) -> None:
        """Make a backup if somebody has asked for one or one is due."""
        with self._lock:
            actor, self._asked_by = self._asked_by, None
        if actor is None and not self._is_due():
            if self._is_asked:
                self.look()
            return
        with self._lock:
            self._running_since = self._running_since or self._clock.now()
        problem: ProblemError | None = None
        try:
            with acting(actor or PANEL):
                self._make()
        except ProblemError as error:
            problem = error
            log.warning("action=back_up problem=%s", error)
        finally:
            self.look()
            with self._lock:
                self._running_since, self._problem = None, problem
        self._plan(failed=problem is not None)

    def _make(self) -> None:
        try:
            backup = make_backup(self._settings, self._place, self._clock.now(), self._stop)
        except ProblemError as problem:
            self._audit.note("backup.create", self._place.title, outcome="failed", detail=str(problem))
            raise
        self._audit.note("backup.create", backup.name, after={"n_bytes": backup.n_bytes, "place": self._place.title})
        log.info("action=back_up name=%s n_bytes=%d", backup.name, backup.n_bytes)
        for old in self._place.list()[self._settings.backup_keep :]:
            self._place.remove(old.name)

    def _is_due(self) -> bool:
        if not self._is_scheduled:
            return False
        if self._next_at is None:
            self._plan(failed=False)
        return self._next_at is not None and self._clock.now() >= self._next_at

    @property
    def _is_scheduled(self) -> bool:
        return bool(self._settings.backup_url) and self._settings.backup_interval_h > 0

    def _plan(self, *, failed: bool) -> None:
        """Set when the next one is due: an interval after the newest that there is, or a while after a failure."""
        if not self._is_scheduled:
            return
        now = self._clock.now()
        next_at = now + RETRY_AFTER
        if not failed:
            self.look()
            if self._place_problem is not None:
                log.warning("action=list_backups problem=%s", self._place_problem)
            else:
                newest = self._backups[0].created_at if self._backups else None
                next_at = now if newest is None else newest + timedelta(hours=self._settings.backup_interval_h)
        with self._lock:
            self._next_at = next_at

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.run_once()
            except Exception as error:  # a fault here must not end all backups for ever
                log.exception("action=back_up")
                with self._lock:
                    self._running_since, self._problem = None, BackupFailedError(error)
            self._wake.wait(CHECK_INTERVAL_S)
            self._wake.clear()
