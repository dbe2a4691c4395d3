"""Time as an argument: whatever needs the time takes a Clock, so that a test can set it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one for people, one for durations and deadlines."""

    def now(self) -> datetime:
        """Return the time of the wall clock, aware, UTC. It may jump."""

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()
