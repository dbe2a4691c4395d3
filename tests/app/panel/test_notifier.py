"""Whoever waits for a topic is woken by its changes, from any thread, and for the last time when the panel stops."""

import asyncio

from app.panel.notifier import Notifier


def test_subscriber_is_woken_when_another_thread_notifies_its_topic() -> None:
    notifier = Notifier()

    async def main() -> bool:
        with notifier.subscribe("runs") as event, notifier.subscribe("schedule") as other:
            await asyncio.to_thread(notifier.notify, "runs")
            await asyncio.wait_for(event.wait(), 10)
            return other.is_set()

    assert asyncio.run(main()) is False


def test_nothing_happens_when_nobody_subscribes_or_the_loop_has_closed() -> None:
    notifier = Notifier()
    notifier.notify("runs")

    async def main() -> int:
        with notifier.subscribe("runs"), notifier.subscribe("run/1"):
            n_runs = notifier.n_subscribers("run/")
        assert notifier.n_subscribers() == 0
        return n_runs

    assert asyncio.run(main()) == 1
    notifier.notify("runs")
    notifier.close()


def test_everybody_is_woken_at_once_when_the_panel_stops() -> None:
    notifier = Notifier()

    async def main() -> None:
        with notifier.subscribe("runs") as early:
            await asyncio.to_thread(notifier.close)
            await asyncio.wait_for(early.wait(), 10)
        assert notifier.closed
        with notifier.subscribe("runs") as late:
            assert late.is_set()

    asyncio.run(main())
