"""Reports which step a stage is at, and measures how long each step takes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.core.events import Events


class StepTimer:
    """Reports progress by step. `seconds` holds the time of each step that has ended."""

    def __init__(self, events: Events, names: Sequence[str]) -> None:
        self._events = events
        self._names = names
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report that the step begins, and time the block."""
        self._events.progress(self._names.index(name), len(self._names), name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 4)
