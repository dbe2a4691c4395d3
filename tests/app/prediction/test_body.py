"""A body is read within limits of size and time, however it arrives."""

import asyncio

import pytest
from starlette.types import Message, Receive

from app.prediction.body import read_body
from app.prediction.settings import ApiSettings
from pipeline.core.problems import ProblemError

QUICK = ApiSettings(body_timeout_s=0.02, max_body_bytes=10)


def arriving(*chunks: bytes, ends: bool = True) -> Receive:
    """A client that sends these chunks, each after giving way to others, and then ends or falls silent."""
    waiting = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(0)
        if not waiting:
            await asyncio.Event().wait()
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or not ends}

    return receive


async def at_once() -> Message:
    """A client whose body is there already."""
    return {"type": "http.request", "body": b"{}", "more_body": False}


def test_body_is_whole_when_it_arrives_in_pieces() -> None:
    assert asyncio.run(read_body(arriving(b"ab", b"c", b"de"), QUICK)) == b"abcde"


def test_body_is_whole_when_it_is_there_already() -> None:
    assert asyncio.run(read_body(at_once, QUICK)) == b"{}"


@pytest.mark.parametrize("sent", [(), (b"{",)], ids=["nothing", "a part"])
def test_reading_ends_with_api_06_when_the_client_falls_silent(sent: tuple[bytes, ...]) -> None:
    with pytest.raises(ProblemError) as caught:
        asyncio.run(read_body(arriving(*sent, ends=False), QUICK))
    assert (caught.value.id, caught.value.status) == ("API-06", 408)


@pytest.mark.parametrize("sent", [(b"x" * 11,), (b"x" * 6, b"x" * 6)], ids=["one piece", "two"])
def test_reading_ends_with_api_04_when_the_body_is_too_large(sent: tuple[bytes, ...]) -> None:
    with pytest.raises(ProblemError) as caught:
        asyncio.run(read_body(arriving(*sent), QUICK))
    assert (caught.value.id, caught.value.status) == ("API-04", 413)
