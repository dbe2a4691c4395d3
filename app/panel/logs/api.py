"""The log of a run as JSON lines and as a stream."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from app.panel.db.engine import MAX_INTEGER
from app.panel.logs.dependencies import ROOM_TO_FOLLOW, Logs, Notifications, RunId, States
from app.panel.logs.line import LineFilter
from app.panel.logs.store import EVERY_LINE, LogStore
from app.panel.logs.tail import End, KeepAlive, Lines, State, tail
from app.web.sse import KEEP_ALIVE, EventStream, format_event, read_cursor
from pipeline.core.events import Level

router = APIRouter(prefix="/api/v1/runs", tags=["logs"])

RECONNECT_MS: Final = 1000


@router.get("/{run_id}/log", response_class=StreamingResponse)
def read_log(  # noqa: PLR0917 - FastAPI passes all by keyword
    run_id: RunId,
    logs: Logs,
    after: Annotated[int, Depends(read_cursor)],
    limit: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    stage: str | None = None,
    attempt: int | None = None,
    level: Level | None = None,
    text: str = "",
) -> StreamingResponse:
    """Return lines with a seq greater than `after` as JSON lines (`application/x-ndjson`), at most `limit`.

    `level` selects that level and above, `text` the lines that contain it.
    """
    selection = LineFilter(stage=stage, attempt=attempt, level=level, text=text)
    if selection == EVERY_LINE:
        body = _whole(logs, run_id, after, limit)
    else:
        encode = msgspec.json.Encoder().encode
        body = (encode(line) + b"\n" for line in islice(logs.select(run_id, after, selection), limit))
    return StreamingResponse(body, media_type="application/x-ndjson")


@router.get("/{run_id}/log/stream", response_class=EventStream, dependencies=[ROOM_TO_FOLLOW])
async def stream_log(
    run_id: RunId,
    logs: Logs,
    notifier: Notifications,
    states: States,
    after: Annotated[int, Depends(read_cursor)],
) -> EventStream:
    """Stream server-sent events: `log` (id: the last seq; data: `{"lines": [...]}`), `state` (the run and its stage now), and
    at the end `end` (id: the final seq; data: `{"seq", "state"}`), after which the reader must not reconnect.
    """
    return EventStream(_events(tail(run_id, after, logs, notifier, states)))


async def _events(items: AsyncGenerator[Lines | State | End | KeepAlive, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(items):
        async for item in items:
            match item:
                case Lines(last):
                    yield format_event("log", item.json(), id=last, retry_ms=RECONNECT_MS)
                case State(text):
                    yield format_event("state", text)
                case End(seq, state):
                    yield format_event("end", json.dumps({"seq": seq, "state": state}), id=seq)
                case _:
                    yield KEEP_ALIVE
            await asyncio.sleep(0)  # a reader who catches up on a long log shares the loop with all others


def _whole(logs: LogStore, run_id: str, after: int, limit: int | None) -> Iterator[bytes]:
    while (step := 1000 if limit is None else min(1000, limit)) and (lines := logs.read_raw(run_id, after, step)):
        yield b"\n".join(lines) + b"\n"
        after += len(lines)
        limit = None if limit is None else limit - len(lines)
