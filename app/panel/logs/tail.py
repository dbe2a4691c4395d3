"""A log from line N on, history and live alike: one query, so that leaving at N and coming back leaves no gap."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Protocol

from app.panel.logs.followers import log_topic
from app.panel.logs.store import LogStore
from app.panel.notifier import Notifier

MAX_LINES: Final = 200  # in one event: a slow reader gets fewer and bigger ones, and there is no queue to grow
COALESCE_S: Final = 0.05
KEEP_ALIVE_S: Final = 15.0


class RunStates(Protocol):
    """The state of runs as a follower needs it; implemented by `runs`."""

    def snapshot(self, run_id: str, /) -> tuple[int, str] | None:
        """Return (version, JSON) of the state of an active run, None for any other. Does not wait."""

    def final_state(self, run_id: str, /) -> str | None:
        """Return the state in which the run ended and after which its log does not grow; None before. May read the disk."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Stored lines in order, JSON each; the last has seq `last`."""

    last: int
    raw: list[bytes]

    def json(self) -> str:
        """Return `{"lines": [...]}`."""
        return '{"lines":[' + b",".join(self.raw).decode() + "]}"


@dataclass(frozen=True, slots=True)
class State:
    """The run or its stage has moved on; `json` is its state now."""

    json: str


@dataclass(frozen=True, slots=True)
class End:
    """There will be no line after `seq`; the run ended in `state`."""

    seq: int
    state: str


class KeepAlive:
    """Nothing has happened for 15 s; a comment keeps proxies from closing the connection."""


async def tail(
    run_id: str, after: int, logs: LogStore, notifier: Notifier, states: RunStates
) -> AsyncGenerator[Lines | State | End | KeepAlive, None]:
    """Yield every line with seq > `after`, in order, then new ones until the log ends; states in between.

    Ends without `End` when the panel stops: the reader comes back with its cursor.
    """
    seen = 0
    sent_at = -COALESCE_S
    with notifier.subscribe(log_topic(run_id)) as event:  # before the first read: no wake-up is lost
        while not notifier.closed:
            event.clear()
            snapshot = states.snapshot(run_id)
            # Read first: if it has ended by now, the lines read next are all that is left.
            final_state = None if snapshot else await asyncio.to_thread(states.final_state, run_id)
            lines = logs.recent(run_id, after, MAX_LINES)
            if lines is None:
                lines = await asyncio.to_thread(logs.read_raw, run_id, after, MAX_LINES)
            if lines:
                after += len(lines)
                sent_at = time.monotonic()
                yield Lines(after, lines)
            if snapshot and snapshot[0] != seen:
                seen = snapshot[0]
                yield State(snapshot[1])
            if len(lines) == MAX_LINES:
                continue
            if final_state:
                if not lines:
                    yield End(after, final_state)
                    return
                continue
            while not await _wait(event):
                yield KeepAlive()
            if states.snapshot(run_id):  # an end need not wait for what may still come
                await asyncio.sleep(sent_at + COALESCE_S - time.monotonic())


async def _wait(event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await event.wait()
    except TimeoutError:
        return False
