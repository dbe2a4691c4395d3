"""Workers start in order and stop in the reverse order, also where one of them does not start or does not stop well."""

import asyncio

import pytest

from app.panel.workers import BlockingWorker, Worker, running


class Recorded:
    """A worker that notes what happens to it; it fails where its name says so."""

    def __init__(self, name: str, events: list[str], fails: str = "") -> None:
        self.name, self.events, self.fails = name, events, fails

    async def start(self) -> None:
        self.events.append(f"start {self.name}")
        if self.fails == "start":
            raise OSError(self.name)

    async def stop(self) -> None:
        self.events.append(f"stop {self.name}")
        if self.fails == "stop":
            raise OSError(self.name)


def test_workers_stop_in_reverse_order_when_the_panel_stops() -> None:
    events: list[str] = []

    async def main() -> None:
        async with running([Recorded("a", events), Recorded("b", events)]):
            events.append("serve")

    asyncio.run(main())
    assert events == ["start a", "start b", "serve", "stop b", "stop a"]


def test_started_workers_are_stopped_when_a_later_one_does_not_start() -> None:
    events: list[str] = []
    database = BlockingWorker(on_stop=lambda: events.append("close database"))
    workers: list[Worker] = [
        database,
        Recorded("a", events),
        Recorded("b", events, fails="start"),
        Recorded("c", events),
    ]

    async def main() -> None:
        async with running(workers):
            events.append("serve")

    with pytest.raises(OSError, match="b"):
        asyncio.run(main())
    assert events == ["start a", "start b", "stop a", "close database"]


def test_the_others_are_stopped_when_one_fails_to_stop() -> None:
    events: list[str] = []

    async def main() -> None:
        async with running([Recorded("a", events), Recorded("b", events, fails="stop")]):
            pass

    with pytest.raises(OSError, match="b"):
        asyncio.run(main())
    assert events == ["start a", "start b", "stop b", "stop a"]
