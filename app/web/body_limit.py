"""Reads the body of a request within limits of size and time, for all three web processes."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from pipeline.core.problems import ProblemError

# A body may take one second more for each block of this many bytes that has arrived; a mere trickle times out.
BODY_BYTES_PER_S: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """The limits of a request body: its size, and the time to send it.

    Any length is accepted unless `max_bytes` is set. The time is `timeout_s`, plus what `bytes_per_s` adds for the bytes
    that have arrived; inf adds nothing. `too_large` (given `max_bytes`) and `too_slow` make the problem that is raised.
    """

    max_bytes: int = sys.maxsize
    timeout_s: float
    bytes_per_s: float = inf
    too_large: Callable[[int], ProblemError]
    too_slow: Callable[[], ProblemError]

    def check_size(self, n_bytes: int) -> None:
        """Raise the problem `too_large` if `n_bytes` is above the limit."""
        if n_bytes > self.max_bytes:
            raise self.too_large(self.max_bytes)


class LimitedBody:
    """The messages of one request's body; only the time spent waiting for the client counts."""

    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._n_bytes = 0
        self._waited_s = 0.0
        self.is_whole = False

    async def receive(self) -> Message:
        """Return the next message. Raises the limits' problems."""
        return self.count(await self.in_time(self._receive()))

    async def in_time(self, pending: Awaitable[Message]) -> Message:
        """Return what `pending` yields. Raises the problem `too_slow` when the time is up."""
        limits = self._limits
        begun = time.monotonic()
        try:
            async with asyncio.timeout(limits.timeout_s + self._n_bytes / limits.bytes_per_s - self._waited_s):
                message = await pending
        except TimeoutError as error:
            raise limits.too_slow() from error
        self._waited_s += time.monotonic() - begun
        return message

    def count(self, message: Message) -> Message:
        """Return `message` after its bytes were added. Raises the problem `too_large`."""
        self._n_bytes += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)
        self._limits.check_size(self._n_bytes)
        return message


async def read_body(receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body.

    Raises the limits' problems, and ClientDisconnect when the client leaves before the end of the body.
    """
    begun: Any = receive()
    try:
        # Usually the body has arrived already: step once, and see. A timer would take 4 us of the 100 that a row takes.
        awaited = begun.send(None)
    except StopIteration as done:
        message: Message = done.value
        if not message.get("more_body"):
            check_connected(message)
            content: bytes = message.get("body", b"")
            limits.check_size(len(content))
            return content
        body = LimitedBody(receive, limits)
        body.count(message)
    else:
        body = LimitedBody(receive, limits)
        message = body.count(await body.in_time(_Stepped(begun, awaited)))
    chunks = [message.get("body", b"")]
    check_connected(message)
    while not body.is_whole:
        message = await body.receive()
        check_connected(message)
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def stream_body(receive: Receive, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises as `read_body`."""
    body = LimitedBody(receive, limits)
    while not body.is_whole:
        message = await body.receive()
        check_connected(message)
        yield message.get("body", b"")


def check_connected(message: Message) -> None:
    """Raise ClientDisconnect if `message` says that the client has left."""
    if message["type"] == "http.disconnect":
        raise ClientDisconnect


class _Stepped:
    """The rest of a coroutine that was stepped once and now awaits a future."""

    def __init__(self, coroutine: Any, awaited: Any) -> None:  # noqa: ANN401 - what asyncio passes around
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Message]:
        while True:
            try:
                self._awaited = self._coroutine.send((yield self._awaited))
            except StopIteration as done:
                message: Message = done.value
                return message
            except BaseException:
                self._coroutine.close()
                raise
