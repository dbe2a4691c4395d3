"""The log of a run for people: lines as HTML, live and by polling, and as a file to keep.

History and live follow are the same question, "what came after line N", so that a reader may leave and come back at
any N with no gap and no repeat.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, StreamingResponse

from app.panel.logs.dependencies import ROOM_TO_FOLLOW, Logs, Notifications, RunId, States
from app.panel.logs.line_renderer import LineRenderer
from app.panel.logs.store import LogStore
from app.panel.logs.tail import MAX_LINES, End, KeepAlive, Lines, State, tail
from app.panel.logs.views import LogFilter, log_filter
from app.web.dependencies import provided
from app.web.sse import KEEP_ALIVE, EventStream, format_event, read_cursor

router = APIRouter(prefix="/runs/{run_id}/log")

Filter = Annotated[LogFilter, Depends(log_filter)]
Renderer = Annotated[LineRenderer, provided(LineRenderer)]
After = Annotated[int, Depends(read_cursor)]


@router.get("/stream", response_class=EventStream, dependencies=[ROOM_TO_FOLLOW])
async def stream_lines(  # noqa: PLR0917 - FastAPI passes all by keyword
    run_id: RunId,
    filter: Filter,
    after: After,
    logs: Logs,
    notifier: Notifications,
    states: States,
    renderer: Renderer,
) -> EventStream:
    """Stream server-sent events: `log` (HTML of lines), `state` (the run has moved on), `end` (the final state)."""
    render = partial(renderer.render_live, run_id, filter)
    return EventStream(_events(tail(run_id, after, logs, notifier, states), render))


@router.get("/lines")
def read_lines(  # noqa: PLR0917 - FastAPI passes all by keyword
    run_id: RunId, filter: Filter, after: After, logs: Logs, states: States, renderer: Renderer
) -> HTMLResponse:
    """Return the same lines to a reader without a stream, which polls with the same cursor."""
    has_ended = states.snapshot(run_id) is None and states.final_state(run_id) is not None
    lines = logs.read(run_id, after, MAX_LINES, filter)
    last = lines[-1].seq if lines else after
    headers = {"X-Log-After": str(last), "X-Log-End": str(int(has_ended and len(lines) < MAX_LINES))}
    return HTMLResponse(renderer.render(run_id, filter, lines), headers=headers)


@router.get("/download")
def download(run_id: RunId, filter: Filter, logs: Logs, form: Literal["text", "ndjson"] = "text") -> StreamingResponse:
    """Return all lines that pass the filter, as a file."""
    name = f"run-{run_id}.{'log' if form == 'text' else 'jsonl'}"
    return StreamingResponse(
        _file(logs, run_id, filter, form),
        media_type="text/plain; charset=utf-8" if form == "text" else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"},
    )


async def _events(
    items: AsyncGenerator[Lines | State | End | KeepAlive, None], render: Callable[[list[bytes]], str]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(items):
        async for item in items:
            match item:
                case Lines(last, raw):
                    # The browser dispatches no empty event, but it moves the browser's cursor.
                    yield format_event("log", render(raw), id=last)
                case State(text):
                    yield format_event("state", text)
                case End(last, state):
                    yield format_event("end", state, id=last)
                case _:
                    yield KEEP_ALIVE
            await asyncio.sleep(0)  # a reader who catches up on a long log shares the loop with all others


def _file(logs: LogStore, run_id: str, filter: LogFilter, form: str) -> Iterator[str]:
    for line in logs.select(run_id, 0, filter):
        if form == "text":
            yield f"{line.at} {line.stage} {line.level:7} {line.text}\n"
        else:
            yield json.dumps(msgspec.to_builtins(line), ensure_ascii=False) + "\n"
