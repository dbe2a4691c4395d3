"""Reads a request's body within limits of size and time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.prediction.settings import ApiSettings
from pipeline.core.problems import ProblemError

# A body that is read as it comes may take longer the more of it has come: a dripping one never ends.
BODY_BYTES_PER_S: Final = 16 * 1024


async def read_body(receive: Receive, settings: ApiSettings) -> bytes:
    """The whole body.

    Raises ProblemError API-04 (413) when it is too large, API-06 (408) when it comes too slowly, ClientDisconnect when
    the client has left before its end.
    """
    begun: Any = receive()
    try:
        # Mostly the body is there already: step once, and see. A timer would take 4 us of the 100 that a row takes.
        waits_for = begun.send(None)
    except StopIteration as done:
        message: Message = done.value
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            _check_there(message)
            check_size(len(body), settings.max_body_bytes)
            return body
        waiting: Awaitable[Message] = receive()
    else:
        waiting, body = _Stepped(begun, waits_for), b""
    chunks, size = [body], len(body)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            while True:
                message = await waiting
                _check_there(message)
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                check_size(size, settings.max_body_bytes)
                if not message.get("more_body"):
                    return b"".join(chunks)
                waiting = receive()
    except TimeoutError as error:
        raise _too_slow(f"It took more than {settings.body_timeout_s:g} s.") from error


async def body_stream(receive: Receive, settings: ApiSettings) -> AsyncIterator[bytes]:
    """The body as it comes, of any length.

    Raises ProblemError API-06 (408) when it comes too slowly, ClientDisconnect when the client has left before its
    end. Only the time that the client is waited for counts.
    """
    n_bytes, waited_s = 0, 0.0
    while True:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(settings.body_timeout_s + n_bytes / BODY_BYTES_PER_S - waited_s):
                message = await receive()
        except TimeoutError as error:
            raise _too_slow(f"It came at less than {BODY_BYTES_PER_S // 1024} KB a second.") from error
        waited_s += time.monotonic() - begun
        _check_there(message)
        n_bytes += len(message.get("body", b""))
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def _check_there(message: Message) -> None:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect


def _too_slow(why: str) -> ProblemError:
    return ProblemError(
        "API-06", "The body did not arrive in time.", why=why, fix="Send it faster, or in parts.", status=408
    )


def check_size(size: int, limit: int) -> None:
    """Raise ProblemError API-04 (413) if `size` is above `limit`, both in bytes."""
    if size > limit:
        raise ProblemError(
            "API-04",
            "The body is too large.",
            why=f"At most {limit:,} bytes are read.",
            fix="Send it in parts, or as CSV to /predict/csv, which has no limit.",
            status=413,
        )


class _Stepped:
    """The rest of a coroutine that has been stepped once and waits for a future."""

    def __init__(self, coroutine: Any, waits_for: Any) -> None:  # noqa: ANN401 - what asyncio passes around
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Message]:
        while True:
            try:
                self._waits_for = self._coroutine.send((yield self._waits_for))
            except StopIteration as done:
                message: Message = done.value
                return message
            except BaseException:
                self._coroutine.close()
                raise
