"""The background workers: started in one order, stopped in the reverse one, also where a start fails half-way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol


class Worker(Protocol):
    """Something with a beginning and an end, in the event loop. Nothing correct depends on the end: a panel may be killed."""

    async def start(self) -> None:
        """Begin; returns as soon as the next worker may start."""

    async def stop(self) -> None:
        """End the work and return when it has ended. Called only after `start` has succeeded."""


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingWorker:
    """A worker made of blocking calls, each made in a thread: a step at the start, threads, something to close."""

    on_start: Callable[[], object] = _nothing
    on_stop: Callable[[], object] = _nothing

    async def start(self) -> None:
        """See Worker."""
        await asyncio.to_thread(self.on_start)

    async def stop(self) -> None:
        """See Worker."""
        await asyncio.to_thread(self.on_stop)


@asynccontextmanager
async def running(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Start the workers in order. At the end, or where one does not start, stop those that run, the last one first."""
    async with AsyncExitStack() as stack:
        for worker in workers:
            await worker.start()
            stack.push_async_callback(worker.stop)
        yield
