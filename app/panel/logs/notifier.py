"""Wakes those who follow a run. Carries no data: whoever wakes reads again, so that nothing can be lost on the way."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.core.problems import ProblemError

MAX_LISTENERS: Final = 1000  # each holds a connection and a task


class Hub:
    """Bells by run. `listen` belongs to the event loop; `ring` may be called from any thread."""

    def __init__(self) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on bells ring in `loop`."""
        self._loop = loop

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set each time that something new can be read about `topic` (a run's id)."""
        bell = asyncio.Event()
        if self._stopped:
            bell.set()
        self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            listeners = self._bells[topic]
            listeners.discard(bell)
            if not listeners:
                del self._bells[topic]

    def ring(self, topic: str) -> None:
        """Something new can be read about `topic`. Thread-safe; no-op before start and after the loop has closed."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ring, topic)

    def stop(self) -> None:
        """Wake everybody for the last time: streams end, so that the server can stop. Thread-safe."""
        self._stopped = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ring_all)

    @property
    def stopped(self) -> bool:
        """Whether the panel is going down."""
        return self._stopped

    def check_room(self) -> None:
        """Raise WEB-07 (503) if as many follow as may; asked before a stream begins, in the event loop."""
        if self.n_listeners >= MAX_LISTENERS:
            raise ProblemError(
                "WEB-07",
                "Too many are following already.",
                why=f"At most {MAX_LISTENERS:,} connections may follow at once.",
                fix="Close pages that nobody looks at, or read the log without following it.",
                retryable=True,
                status=503,
            )

    @property
    def n_listeners(self) -> int:
        """How many follow, over all topics."""
        return sum(len(bells) for bells in self._bells.values())

    def _ring(self, topic: str) -> None:
        for bell in self._bells.get(topic, ()):
            bell.set()

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.set()
