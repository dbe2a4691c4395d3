"""Server-sent events: the cursor that a client resumes at, and the events that it gets."""

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Send

KEEP_ALIVE: Final = b": ping\n\n"  # a comment: no event, but it keeps proxies from closing the connection


class EventStream(StreamingResponse):
    """Events of `format_event`, until their source ends or the client leaves; then the source is closed at once.

    One task and no queue per client: FastAPI's own takes three tasks and two queues, half as much memory again and
    twice the time (`bench/watchers.py`). FastAPI reads `media_type` and the default of `status_code` for the OpenAPI
    document.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], status_code: int = 200) -> None:
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        super().__init__(events, status_code, headers)
        self._events = events

    async def stream_response(self, send: Send) -> None:
        """See StreamingResponse."""
        try:
            await super().stream_response(send)
        finally:
            await self._events.aclose()


def format_event(name: str, data: str, *, id: int | None = None, retry_ms: int | None = None) -> bytes:
    """Return one event. `id` is the cursor that a client resumes at."""
    return format_sse_event(data_str=data, event=name, id=None if id is None else str(id), retry=retry_ms)


def read_cursor(
    after: Annotated[str, Query()] = "0",
    last_event_id: Annotated[str, Header()] = "",
) -> int:
    """Return the later of `?after=` and `Last-Event-ID`; junk is 0, because a 422 would stop an EventSource for good."""
    return max(_parse_number(after), _parse_number(last_event_id))


def _parse_number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else 0
