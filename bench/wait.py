"""Waiting for what other processes, threads and tasks do."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    look: Callable[[], T | None],
    *,
    what: str,
    within_s: float = 15.0,
    interval_s: float = 0.02,
    not_yet: tuple[type[Exception], ...] = (),
) -> T:
    """Return the first true value of `look`; errors of the types `not_yet` count as false.

    Raise AssertionError with `what` and the last value or error when there is none within `within_s`.
    """
    deadline = time.monotonic() + within_s
    while True:
        value, last = _look(look, not_yet)
        if value:
            return value
        assert time.monotonic() < deadline, _timeout(what, within_s, last)
        time.sleep(interval_s)


async def until_async(
    look: Callable[[], T | None],
    *,
    what: str,
    within_s: float = 15.0,
    interval_s: float = 0.02,
    not_yet: tuple[type[Exception], ...] = (),
) -> T:
    """Return as `until` does, and let other tasks run between the looks."""
    deadline = time.monotonic() + within_s
    while True:
        value, last = _look(look, not_yet)
        if value:
            return value
        assert time.monotonic() < deadline, _timeout(what, within_s, last)
        await asyncio.sleep(interval_s)


def _look(look: Callable[[], T | None], not_yet: tuple[type[Exception], ...]) -> tuple[T | None, object]:
    try:
        value = look()
    except not_yet as error:
        return None, error
    return value, value


def _timeout(what: str, within_s: float, last: object) -> str:
    return f"{what}: not within {within_s:g} s; last: {last!r}"
