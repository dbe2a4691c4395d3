"""Streams of events to a reader who may leave at any time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from app.web.sse import EventStream, format_event, read_cursor


def test_event_has_its_name_its_lines_and_its_cursor_when_written() -> None:
    assert format_event("log", "a\nb", id=7, retry_ms=1000) == b"event: log\ndata: a\ndata: b\nid: 7\nretry: 1000\n\n"
    assert format_event("state", "x") == b"event: state\ndata: x\n\n"


@pytest.mark.parametrize(
    ("after", "last_event_id", "expected"),
    [("0", "", 0), ("5", "", 5), ("5", "9", 9), ("9", "5", 9), ("junk", "-1", 0), ("1" * 30, "٣", 0)],
)
def test_later_cursor_wins_when_both_are_given_and_junk_counts_as_none(
    after: str, last_event_id: str, expected: int
) -> None:
    assert read_cursor(after, last_event_id) == expected


def test_source_is_closed_at_once_when_the_reader_leaves() -> None:
    async def main() -> tuple[list[Message], bool]:
        sent: list[Message] = []
        first, closed = asyncio.Event(), asyncio.Event()

        async def source() -> AsyncGenerator[bytes, None]:
            try:
                yield format_event("log", "1")
                await asyncio.Event().wait()
            finally:
                closed.set()

        async def receive() -> Message:
            await first.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message.get("body"):
                first.set()

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}, "method": "GET", "headers": []}
        await asyncio.wait_for(EventStream(source())(scope, receive, send), 10)
        return sent, closed.is_set()

    sent, is_closed = asyncio.run(main())
    assert is_closed
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert dict(sent[0]["headers"])[b"cache-control"] == b"no-cache, no-transform"
