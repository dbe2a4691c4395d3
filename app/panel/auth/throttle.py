"""Slows guessing down without locking anybody out: who is right gets in, at worst after waiting in line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.panel.auth.problems import TooManyLoginsError

# Attempts with a password before they are spaced: of one client, and at one account by all clients together.
FREE_OF_CLIENT: Final = RateLimitItemPerMinute(5, 15)
FREE_AT_ACCOUNT: Final = RateLimitItemPerMinute(50, 15)
CLIENT_SPACING_S: Final = 1.0
ACCOUNT_SPACING_S: Final = 0.25
MAX_WAITING: Final = 60  # in one line: it takes a minute at most
WRONG_TOKENS: Final = RateLimitItemPerMinute(20)
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
    """Counts attempts by client and by account. For one event loop, but for `is_wrong_token_free`."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lines: dict[str, _Line] = {}

    async def turn(self, address: str, account: str) -> None:
        """Return when a password from `address` may be checked: at once for the first few, then one after another.

        Raises TooManyLoginsError where too many wait already.
        """
        for key, free, spacing_s in (
            (f"client {client_of(address)}", FREE_OF_CLIENT, CLIENT_SPACING_S),
            (f"account {account}", FREE_AT_ACCOUNT, ACCOUNT_SPACING_S),
        ):
            # Counted before it is checked: simultaneous guesses would otherwise all be free.
            if not self._limiter.hit(free, key):
                await self._line(key, spacing_s).turn(self._monotonic, self._sleep)

    def forget(self, address: str) -> None:
        """Forget the attempts of a client that has logged in."""
        self._limiter.clear(FREE_OF_CLIENT, f"client {client_of(address)}")

    def is_wrong_token_free(self, address: str, limit: RateLimitItem = WRONG_TOKENS) -> bool:
        """Count a wrong token, and return whether it is one of the first in this minute. Thread-safe."""
        return self._limiter.hit(limit, f"token {client_of(address)}")

    def _line(self, key: str, spacing_s: float) -> _Line:
        if key not in self._lines and len(self._lines) >= MAX_LINES:
            self._lines = {each: line for each, line in self._lines.items() if line.n_waiting}
        return self._lines.setdefault(key, _Line(spacing_s))


def client_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network that one subscriber of IPv6 has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or f"{IPv6Address(int(parsed) >> 64 << 64)}/64")
