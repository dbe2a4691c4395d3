"""Writes later what could not be written when it happened: entries of the audit, when a session was used."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from sqlmodel import Session

from app.panel.db import patience
from app.panel.db.patience import patiently
from app.panel.db.problems import UNAVAILABLE
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)
MAX_WAITING: Final = 10_000  # some MB of memory; a lock of hours must not take all of it
CLOSE_S: Final = 2.0

Write = Callable[[Session], object]


class LateWrites:
    """Keeps the order in which they came. Thread-safe; its thread lives only while something waits."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Session]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Write, str]] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, write: Write, action: str) -> None:
        """Call `write` in a transaction of its own: now, or in the background as soon as the database takes it.

        Never raises for a database that is locked or cannot be written. Once one waits, the next do not try first.
        """
        with self._lock:
            is_late = bool(self._waiting)
        if not is_late:
            try:
                self._write(write)
            except UNAVAILABLE as problem:
                log.warning("action=%s result=waits problem=%s", action, problem)
            else:
                return
        self._wait(write, action)

    def close(self) -> None:
        """Try once more what waits, for a few seconds."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(patience.RETRY_S + CLOSE_S)

    def _wait(self, write: Write, action: str) -> None:
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                log.error("action=%s result=lost reason=%d writes wait already", action, MAX_WAITING)
                return
            self._waiting.append((write, action))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="late-writes", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                write, action = self._waiting[0]
            try:
                patiently(lambda write=write: self._write(write), action, self._stop)  # type: ignore[misc]
            except ProblemError as problem:
                log.error("action=%s result=lost problem=%s", action, problem)
            except Exception:
                log.exception("action=%s result=lost", action)
            with self._lock:
                self._waiting.popleft()

    def _write(self, write: Write) -> None:
        with self._begin() as session:
            write(session)
