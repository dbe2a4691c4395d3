"""Limits how many runs one user or token starts in a minute."""

import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.panel.runs.domain.problems import TooManyStartsError
from app.panel.runs.domain.state import Trigger

LIMITED: Final = frozenset({Trigger.MANUAL, Trigger.RERUN})  # the panel starts all others by itself


class StartLimit:
    """At most `starts_per_minute` in any 60 s. Thread-safe."""

    def __init__(self, starts_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(starts_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, who: str) -> None:
        """Count a start of `who`. Raises TooManyStartsError RUN-17 (429) if it is one too many; then it does not count."""
        if not self._limiter.hit(self._limit, who):
            wait_s = self._limiter.get_window_stats(self._limit, who).reset_time - time.time()
            raise TooManyStartsError(self._limit.amount, wait_s=max(1, math.ceil(wait_s)))
