"""Guessing is slow, and whoever is right gets in all the same."""

import asyncio

import pytest

from app.panel.auth.problems import TooManyLoginsError
from app.panel.auth.throttle import (
    CLIENT_SPACING_S,
    FREE_ATTEMPTS,
    MAX_WAITING,
    LoginThrottle,
)


class HandTime:
    """Time that passes only where somebody waits for it."""

    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        return self.s

    async def sleep(self, s: float) -> None:
        due = self.s + s
        await asyncio.sleep(0)
        self.s = max(self.s, due)


def throttle(time: HandTime) -> LoginThrottle:
    return LoginThrottle(time.monotonic, time.sleep)


def test_first_attempts_wait_for_nothing_and_then_one_a_second_is_checked() -> None:
    time = HandTime()

    async def guess() -> list[float]:
        guard = throttle(time)
        at = []
        for _ in range(FREE_ATTEMPTS.amount + 4):
            await guard.turn("203.0.113.5", "admin")
            at.append(time.s)
        return at

    assert asyncio.run(guess()) == [0.0] * 6 + [1.0, 2.0, 3.0]


def test_right_password_is_checked_within_seconds_when_four_clients_hammer() -> None:
    time = HandTime()

    async def log_in() -> list[float]:
        guard = throttle(time)
        is_over = False

        async def hammer() -> None:
            while not is_over:
                await guard.turn("203.0.113.5", "admin")

        hammering = [asyncio.create_task(hammer()) for _ in range(4)]
        waits = []
        for _ in range(33):
            begun = time.s
            await guard.turn("203.0.113.5", "admin")
            waits.append(time.s - begun)
        is_over = True
        await asyncio.gather(*hammering)
        return waits

    assert max(asyncio.run(log_in())) <= 5 * CLIENT_SPACING_S


def test_other_clients_wait_for_nothing_when_one_is_slowed_down() -> None:
    time = HandTime()

    async def log_in() -> float:
        guard = throttle(time)
        for _ in range(20):
            await guard.turn("203.0.113.5", "eve")
        begun = time.s
        await guard.turn("203.0.113.6", "admin")
        return time.s - begun

    assert asyncio.run(log_in()) == 0.0


def test_clients_without_free_attempts_share_a_line_at_an_account_and_fresh_ones_wait_for_nothing() -> None:
    time = HandTime()

    async def guess() -> tuple[float, float]:
        guard = throttle(time)
        for client in range(8):
            for _ in range(FREE_ATTEMPTS.amount + 1):
                await guard.turn(f"198.51.100.{client}", "admin")
        slowed, begun = time.s, time.s
        await guard.turn("203.0.113.6", "admin")
        return slowed, time.s - begun

    slowed, waited = asyncio.run(guess())
    assert slowed == pytest.approx(7 * 0.25)
    assert waited == 0.0


def test_known_browser_waits_for_nobody_when_a_crowd_guesses_from_its_address() -> None:
    async def crowd() -> None:
        guard = LoginThrottle(lambda: 0.0, lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
        waiting = [asyncio.create_task(guard.turn("127.0.0.1", "admin")) for _ in range(5 + MAX_WAITING + 20)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLoginsError):
            await guard.turn("127.9.9.9", "admin")
        await asyncio.wait_for(guard.turn("127.0.0.1", "admin", "digest of the browser"), 5)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(crowd())


def test_line_is_refused_when_too_many_wait_in_it() -> None:
    async def crowd() -> list[object]:
        # A wait that never ends, as it seems to those who arrive meanwhile.
        guard = LoginThrottle(lambda: 0.0, lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
        for _ in range(FREE_ATTEMPTS.amount + 1):
            await guard.turn("203.0.113.5", "admin")
        waiting = [asyncio.create_task(guard.turn("203.0.113.5", "admin")) for _ in range(MAX_WAITING + 1)]
        done, pending = await asyncio.wait(waiting, timeout=0.1)
        for task in pending:
            task.cancel()
        return [type(task.exception()) for task in done]

    assert asyncio.run(crowd()) == [TooManyLoginsError]
