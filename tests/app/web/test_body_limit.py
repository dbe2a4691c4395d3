"""A body is read within limits of size and time, however it arrives."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.web.body_limit import BodyLimits, read_body, stream_body
from pipeline.core.problems import ProblemError


class TooLargeError(ProblemError):
    """Stands for the problem of a server."""


class TooSlowError(ProblemError):
    """Stands for the problem of a server."""


def too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"More than {max_bytes} bytes.")


def too_slow() -> TooSlowError:
    return TooSlowError("Too slow.")


QUICK = BodyLimits(max_bytes=10, timeout_s=0.02, too_large=too_large, too_slow=too_slow)


def arriving(*chunks: bytes, ends: bool = True) -> Receive:
    """Return a client that sends these chunks, each after giving way to others, and then ends or falls silent."""
    waiting = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(0)
        if not waiting:
            await asyncio.Event().wait()
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or not ends}

    return receive


async def at_once() -> Message:
    """Return a body that is there already."""
    return {"type": "http.request", "body": b"{}", "more_body": False}


def test_body_is_whole_when_it_arrives_in_pieces() -> None:
    assert asyncio.run(read_body(arriving(b"ab", b"c", b"de"), QUICK)) == b"abcde"


def test_body_is_whole_when_it_is_there_already() -> None:
    assert asyncio.run(read_body(at_once, QUICK)) == b"{}"


async def streamed(receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body, read as it arrives."""
    return b"".join([chunk async for chunk in stream_body(receive, limits)])


def test_body_is_whole_when_it_is_streamed() -> None:
    assert asyncio.run(streamed(arriving(b"ab", b"c", b"de"), QUICK)) == b"abcde"


@pytest.mark.parametrize("read", [read_body, streamed])
@pytest.mark.parametrize("sent", [(), (b"{",)], ids=["nothing", "a part"])
def test_reading_ends_when_the_client_falls_silent(
    read: Callable[[Receive, BodyLimits], Coroutine[None, None, bytes]], sent: tuple[bytes, ...]
) -> None:
    with pytest.raises(TooSlowError):
        asyncio.run(read(arriving(*sent, ends=False), QUICK))


@pytest.mark.parametrize("read", [read_body, streamed])
@pytest.mark.parametrize("sent", [(b"x" * 11,), (b"x" * 6, b"x" * 6)], ids=["one piece", "two"])
def test_reading_ends_when_the_body_is_too_large(
    read: Callable[[Receive, BodyLimits], Coroutine[None, None, bytes]], sent: tuple[bytes, ...]
) -> None:
    with pytest.raises(TooLargeError, match="More than 10 bytes"):
        asyncio.run(read(arriving(*sent), QUICK))


@pytest.mark.parametrize("read", [read_body, streamed])
@pytest.mark.parametrize("n_chunks", [0, 1])
def test_reading_ends_when_the_client_leaves(
    read: Callable[[Receive, BodyLimits], Coroutine[None, None, bytes]], n_chunks: int
) -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}] * n_chunks + [{"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    with pytest.raises(ClientDisconnect):
        asyncio.run(read(receive, QUICK))


def test_bytes_that_arrived_buy_time_when_the_limits_say_so() -> None:
    generous = replace(QUICK, bytes_per_s=1)
    waits_s: list[float] = []

    async def later() -> Message:
        """Return the second piece only after the time of the first is over."""
        start_s = asyncio.get_running_loop().time()
        if waits_s:
            await asyncio.sleep(2 * generous.timeout_s)
        waits_s.append(asyncio.get_running_loop().time() - start_s)
        return {"type": "http.request", "body": b"xxxxx", "more_body": len(waits_s) < 2}

    assert asyncio.run(read_body(later, generous)) == b"x" * 10
    assert waits_s[1] > generous.timeout_s
