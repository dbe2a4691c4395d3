"""Counts the predicted rows of each caller against a quota, where one is set.

The window slides: what a caller sent in the last minute counts, and nothing is stored for each row.
"""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.prediction.problems import RowQuotaError


class RowQuota:
    """At most `rows_per_minute` rows for each caller. Thread-safe."""

    def __init__(self, rows_per_minute: int) -> None:
        self._rows_per_minute = rows_per_minute
        self._limit = RateLimitItemPerMinute(rows_per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def spend(self, caller: str, n_rows: int) -> None:
        """Count `n_rows` of `caller`. Raises RowQuotaError API-19 (429) if they are too many now; then none counts."""
        if not self._limiter.hit(self._limit, caller, cost=n_rows):
            self._refuse(caller, n_rows)

    def check(self, caller: str) -> None:
        """Raise RowQuotaError API-19 (429) if `caller` may not send a single row now."""
        if not self._limiter.test(self._limit, caller):
            self._refuse(caller, 1)

    def _refuse(self, caller: str, n_rows: int) -> None:
        stats = self._limiter.get_window_stats(self._limit, caller)
        wait_s = max(1, round(stats.reset_time - time.time() + 0.5))
        raise RowQuotaError(n_rows, self._rows_per_minute, wait_s=wait_s)
