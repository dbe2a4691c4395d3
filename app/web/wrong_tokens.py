"""Counts wrong tokens by client, so that guessing is slow and does not fill a log. A right one is accepted at any time."""

from typing import Final

from app.web.identity import client_of
from app.web.problems import TooManyTokensError

PER_MINUTE: Final = 20


class WrongTokens:
    """Thread-safe."""

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        from limits import RateLimitItemPerMinute  # noqa: PLC0415  # where there are no tokens, it is not needed
        from limits.storage import MemoryStorage  # noqa: PLC0415
        from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415

        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, address: str) -> None:
        """Count one from `address`. Raises TooManyTokensError AUTH-15 (429) from the 21st of a client in a minute on."""
        if not self._limiter.hit(self._limit, client_of(address)):
            raise TooManyTokensError
