"""Waits for a database that is locked or cannot be written: for what the panel does by itself, and nobody would repeat."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from app.panel.db.problems import UNAVAILABLE

log = logging.getLogger(__name__)
RETRY_S: Final = 2.0  # how often a database that cannot be read or written is tried again

T = TypeVar("T")


def patiently(call: Callable[[], T], action: str, stop: threading.Event) -> T:
    """Return what `call` returns, tried again every 2 s while the database is locked or cannot be written.

    It must do nothing twice when it is repeated. Blocks. Raises DatabaseLockedError or DatabaseNotWritableError once
    `stop` is set, and at once whatever else `call` raises.
    """
    while True:
        try:
            return call()
        except UNAVAILABLE as problem:
            if stop.is_set():
                raise
            log.warning("action=%s problem=%s", action, problem)
        stop.wait(RETRY_S)
