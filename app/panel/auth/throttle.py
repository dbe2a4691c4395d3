"""Slows guessing down without locking anybody out: who is right gets in, at worst after waiting in line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.panel.auth.problems import TooManyLoginsError
from app.web.identity import client_of

# Attempts with a password before those of a client, or of a browser that is known, are spaced.
FREE_ATTEMPTS: Final = RateLimitItemPerMinute(5, 15)
CLIENT_SPACING_S: Final = 1.0
# Between those at one account by all clients that have used up their free ones.
ACCOUNT_SPACING_S: Final = 0.25
MAX_WAITING: Final = 60  # in one line: it takes a minute at most
MAX_LINES: Final = 1000


class _Line:
    """Lets one after another pass, in the order in which they came, with `spacing_s` between them."""

    def __init__(self, spacing_s: float) -> None:
        self._spacing_s = spacing_s
        self._lock = asyncio.Lock()
        self._next_s = 0.0
        self.n_waiting = 0

    async def turn(self, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        if self.n_waiting >= MAX_WAITING:
            raise TooManyLoginsError(MAX_WAITING * self._spacing_s)
        self.n_waiting += 1
        try:
            async with self._lock:
                wait_s = self._next_s - monotonic()
                if wait_s > 0:
                    await sleep(wait_s)
                self._next_s = monotonic() + self._spacing_s
        finally:
            self.n_waiting -= 1


class LoginThrottle:
    """Counts attempts by client. For one event loop.

    A browser in which the user has logged in before counts by itself, so that no crowd at its address, and none at its
    account, is in its way.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lines: dict[str, _Line] = {}

    async def turn(self, address: str, account: str, device: str = "") -> None:
        """Return when a password may be checked: at once for the first few, then one after another.

        `device` is the digest of a browser that is known for this account, "" for any other. Raises TooManyLoginsError
        where too many wait already.
        """
        key = _key(address, device)
        # Counted before it is checked: simultaneous guesses would otherwise all be free.
        if self._limiter.hit(FREE_ATTEMPTS, key):
            return
        await self._line(key, CLIENT_SPACING_S).turn(self._monotonic, self._sleep)
        if not device:
            await self._line(f"account {account}", ACCOUNT_SPACING_S).turn(self._monotonic, self._sleep)

    def forget(self, address: str, device: str = "") -> None:
        """Forget the attempts of a client that has logged in."""
        self._limiter.clear(FREE_ATTEMPTS, _key(address, device))

    def _line(self, key: str, spacing_s: float) -> _Line:
        if key not in self._lines and len(self._lines) >= MAX_LINES:
            self._lines = {each: line for each, line in self._lines.items() if line.n_waiting}
        return self._lines.setdefault(key, _Line(spacing_s))


def _key(address: str, device: str) -> str:
    return f"device {device}" if device else f"client {client_of(address)}"
