"""History and live follow are one query: no gap, no repeat, whatever happens to the connection."""

import asyncio
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.logs.followers import log_topic, n_followers
from app.panel.logs.store import LogStore
from app.panel.logs.tail import End, KeepAlive, Lines, State, tail
from app.panel.notifier import Notifier
from bench.wait import until_async

AT = datetime(2026, 1, 1, tzinfo=UTC)


class States:
    """A run that is active until `state` is set."""

    def __init__(self) -> None:
        self.state: str | None = None
        self.version = 1

    def snapshot(self, _run_id: str, /) -> tuple[int, str] | None:
        return None if self.state else (self.version, json.dumps({"version": self.version}))

    def final_state(self, _run_id: str, /) -> str | None:
        return self.state


async def write(logs: LogStore, notifier: Notifier, states: States, n_lines: int) -> None:
    """Lines in bursts, then the end."""
    draw, written = random.Random(1), 0
    while written < n_lines:
        burst = min(draw.randint(1, 300), n_lines - written)
        logs.append("r", [(AT, "s", 1, "info", f"line {written + i} \u20ac") for i in range(burst)])
        written += burst
        notifier.notify(log_topic("r"))
        await asyncio.sleep(0)
    states.state = "succeeded"
    notifier.notify(log_topic("r"))


def test_log_is_byte_equal_when_the_connection_is_cut_a_hundred_times(tmp_path: Path) -> None:
    logs, notifier, states = LogStore(tmp_path), Notifier(), States()
    got: list[bytes] = []

    async def read() -> int:
        draw, cuts = random.Random(2), 0
        while True:
            stream = tail("r", len(got), logs, notifier, states)
            async for item in stream:
                if isinstance(item, Lines):
                    keep = draw.randint(0, len(item.raw)) if cuts < 100 else len(item.raw)
                    got.extend(item.raw[:keep])  # the rest was on its way when the connection was cut
                    assert item.last == len(got) - keep + len(item.raw)
                    if cuts < 100:
                        cuts += 1
                        break
                if isinstance(item, End):
                    assert (item.seq, item.state) == (len(got), "succeeded")
                    return cuts
            await stream.aclose()

    async def main() -> int:
        writing = asyncio.create_task(write(logs, notifier, states, 20_000))
        cuts = await asyncio.wait_for(read(), 60)
        await writing
        return cuts

    assert asyncio.run(main()) == 100
    assert b"\n".join(got) + b"\n" == logs.path("r").read_bytes()
    assert n_followers(notifier) == 0


def test_states_come_once_each_when_the_run_moves_on(tmp_path: Path) -> None:
    logs, notifier, states = LogStore(tmp_path), Notifier(), States()

    async def main() -> list[str]:
        seen: list[str] = []
        async for item in tail("r", 0, logs, notifier, states):
            if isinstance(item, State):
                seen.append(item.json)
                states.version += 1
                if len(seen) == 3:
                    states.state = "failed"
                notifier.notify(log_topic("r"))
            elif isinstance(item, End):
                seen.append(item.state)
        return seen

    assert asyncio.run(asyncio.wait_for(main(), 30)) == ['{"version": 1}', '{"version": 2}', '{"version": 3}', "failed"]


def test_reader_is_let_go_without_an_end_when_the_panel_stops(tmp_path: Path) -> None:
    logs, notifier, states = LogStore(tmp_path), Notifier(), States()

    async def main() -> list[object]:
        reading = asyncio.create_task(_collect(logs, notifier, states))
        await until_async(lambda: n_followers(notifier) > 0, interval_s=0, what="the reader follows")
        notifier.close()
        return await asyncio.wait_for(reading, 10)

    items = asyncio.run(main())
    assert not any(isinstance(item, End) for item in items)


async def _collect(logs: LogStore, notifier: Notifier, states: States) -> list[object]:
    return [item async for item in tail("r", 0, logs, notifier, states)]


def test_keep_alive_is_sent_when_nothing_happens_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.panel.logs.tail.KEEP_ALIVE_S", 0.01)
    logs, notifier, states = LogStore(tmp_path), Notifier(), States()

    async def main() -> list[type]:
        seen: list[type] = []
        async for item in tail("r", 0, logs, notifier, states):
            seen.append(type(item))
            if seen.count(KeepAlive) == 2:
                states.state = "failed"
                notifier.notify(log_topic("r"))
        return seen

    assert asyncio.run(asyncio.wait_for(main(), 30)) == [State, KeepAlive, KeepAlive, End]
