"""The log of a run as JSON lines and as a stream."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from app.panel.logs.followers import check_room
from app.panel.logs.line import LineFilter
from app.panel.logs.store import EVERY_LINE, LogStore
from app.panel.logs.tail import End, KeepAlive, Lines, RunWatch, State, tail
from app.panel.notifier import Notifier
from app.web.sse import KEEP_ALIVE, EventStream, cursor, event
from pipeline.core.events import Level

router = APIRouter(prefix="/api/v1/runs", tags=["logs"])

RECONNECT_MS = 1000


def _logs(request: Request) -> LogStore:
    logs: LogStore = request.app.state.panel.logs
    return logs


def _notifier(request: Request) -> Notifier:
    notifier: Notifier = request.app.state.panel.notifier
    return notifier


async def _room(request: Request) -> None:
    check_room(_notifier(request))


def _watch(request: Request) -> RunWatch:
    watch: RunWatch = request.app.state.panel.live
    return watch


def _run_id(run_id: str, request: Request) -> str:
    """The id of an existing run, given by id or number; the problem RUN-02 comes from the queries of runs."""
    return str(request.app.state.panel.run_queries.full_id(run_id))


RunId = Annotated[str, Depends(_run_id)]
Logs = Annotated[LogStore, Depends(_logs)]


@router.get("/{run_id}/log", response_class=StreamingResponse)
def read_log(  # noqa: PLR0917 - FastAPI passes all by keyword
    run_id: RunId,
    logs: Logs,
    after: Annotated[int, Depends(cursor)],
    limit: Annotated[int | None, Query(ge=1)] = None,
    stage: str | None = None,
    attempt: int | None = None,
    level: Level | None = None,
    text: str = "",
) -> StreamingResponse:
    """Lines with a seq greater than `after` as JSON lines (`application/x-ndjson`), at most `limit`.

    `level` keeps that level and worse, `text` what contains it.
    """
    wanted = LineFilter(stage=stage, attempt=attempt, level=level, text=text)
    if wanted == EVERY_LINE:
        body = _whole(logs, run_id, after, limit)
    else:
        encode = msgspec.json.Encoder().encode
        body = (encode(line) + b"\n" for line in islice(logs.select(run_id, after, wanted), limit))
    return StreamingResponse(body, media_type="application/x-ndjson")


@router.get("/{run_id}/log/stream", response_class=EventStream, dependencies=[Depends(_room)])
async def stream_log(
    run_id: RunId,
    logs: Logs,
    notifier: Annotated[Notifier, Depends(_notifier)],
    watch: Annotated[RunWatch, Depends(_watch)],
    after: Annotated[int, Depends(cursor)],
) -> EventStream:
    """Server-sent events: `log` (id: the last seq; data: `{"lines": [...]}`), `state` (the run and its stage now), and
    at the end `end` (id: the final seq; data: `{"seq", "state"}`), after which the reader must not reconnect.
    """
    return EventStream(_events(tail(run_id, after, logs, notifier, watch)))


async def _events(items: AsyncGenerator[Lines | State | End | KeepAlive, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(items):
        async for item in items:
            match item:
                case Lines(last):
                    yield event("log", item.json(), id=last, retry_ms=RECONNECT_MS)
                case State(text):
                    yield event("state", text)
                case End(seq, state):
                    yield event("end", json.dumps({"seq": seq, "state": state}), id=seq)
                case _:
                    yield KEEP_ALIVE
            await asyncio.sleep(0)  # a reader who catches up on a long log shares the loop with all others


def _whole(logs: LogStore, run_id: str, after: int, limit: int | None) -> Iterator[bytes]:
    while (step := 1000 if limit is None else min(1000, limit)) and (lines := logs.read_raw(run_id, after, step)):
        yield b"\n".join(lines) + b"\n"
        after += len(lines)
        limit = None if limit is None else limit - len(lines)
