"""APScheduler under a clock that the test turns: the job is where the schedule says, or made up for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from app.panel.schedule.ticker import Ticker
from tests.app.panel.schedule.test_service import Scheduled


def run_script(folder: Path, script: Callable[[Scheduled, Ticker], Awaitable[None]]) -> Scheduled:
    scheduled = Scheduled(folder)

    async def main() -> None:
        ticker = Ticker(scheduled.service, scheduled.harness.runs, scheduled.harness.notifier, scheduled.clock)
        ticker._scheduler.start()
        await script(scheduled, ticker)
        await ticker.stop()

    asyncio.run(main())
    scheduled.harness.close()
    return scheduled


def test_job_follows_when_the_wall_clock_jumps(tmp_path: Path) -> None:
    async def script(scheduled: Scheduled, ticker: Ticker) -> None:
        scheduled.service.arm()
        await ticker.sync()
        before = ticker.next_fire_at
        scheduled.clock.wall -= timedelta(hours=1)
        await ticker.sync()
        after = ticker.next_fire_at
        assert before is not None
        assert after == before - timedelta(hours=1)
        assert ticker.ticking

    run_script(tmp_path, script)


def test_job_is_gone_when_paused_and_back_when_resumed(tmp_path: Path) -> None:
    async def script(scheduled: Scheduled, ticker: Ticker) -> None:
        scheduled.service.arm()
        await ticker.sync()
        scheduled.service.pause(requested_by="ann")
        await ticker.sync()
        assert ticker.next_fire_at is None
        scheduled.service.resume(requested_by="ann")
        await ticker.sync()
        assert ticker.next_fire_at is not None

    run_script(tmp_path, script)


def test_tick_is_made_up_for_when_the_job_did_not_fire(tmp_path: Path) -> None:
    async def script(scheduled: Scheduled, ticker: Ticker) -> None:
        scheduled.service.arm()
        scheduled.clock.go(601)
        await ticker.sync()
        assert scheduled.triggers() == [("schedule", "queued")]

    run_script(tmp_path, script)


def test_it_is_not_ticking_when_nobody_looked_for_a_while(tmp_path: Path) -> None:
    async def script(scheduled: Scheduled, ticker: Ticker) -> None:
        assert not ticker.ticking
        await ticker.sync()
        scheduled.clock.go(11)
        assert not ticker.ticking

    run_script(tmp_path, script)


def test_ticker_stops_when_everybody_is_woken_in_that_moment(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path)
    notifier = scheduled.harness.notifier

    async def main() -> None:
        ticker = Ticker(scheduled.service, scheduled.harness.runs, notifier, scheduled.clock)
        await ticker.start()
        for _ in range(5):  # until it waits
            await asyncio.sleep(0)
        notifier.close()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await ticker.stop()

    asyncio.run(main())
    scheduled.harness.close()
