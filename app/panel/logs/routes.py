"""The log of a run for people: lines as HTML, live and by polling, and as a file to keep.

History and live follow are the same question, "what came after line N", so that a reader may leave and come back at
any N with no gap and no repeat.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, StreamingResponse

from app.panel.logs.followers import check_room
from app.panel.logs.line import LogLine
from app.panel.logs.store import LogStore
from app.panel.logs.tail import MAX_LINES, End, KeepAlive, Lines, RunWatch, State, tail
from app.panel.logs.views import LinesView, LogFilter, log_filter, shown
from app.panel.notifier import Notifier
from app.panel.pages.renderer import PageRenderer
from app.web.sse import KEEP_ALIVE, EventStream, cursor, event
from app.web.templating import draw

DRAWN_LINES: Final = 4096  # kept ready for all who watch
EVERYTHING: Final = LogFilter()
_decode = msgspec.json.Decoder(LogLine).decode


def router(
    renderer: PageRenderer, logs: LogStore, notifier: Notifier, watch: RunWatch, full_id: Callable[[str], str]
) -> APIRouter:
    """The routes of the log. `full_id` turns a run's id or number into its id; raises ProblemError RUN-02."""
    routes = APIRouter()
    filtered = Annotated[LogFilter, Depends(log_filter)]
    known = Annotated[str, Depends(full_id)]

    async def room() -> None:
        check_room(notifier)

    def html(run_id: str, filter: LogFilter, lines: list[LogLine]) -> str:
        return draw(renderer.env, LinesView.TEMPLATE, LinesView(shown(lines, filter, logs.starts(run_id))))

    @lru_cache(maxsize=DRAWN_LINES)
    def drawn(run_id: str, raw: bytes) -> str:
        return html(run_id, EVERYTHING, [_decode(raw)])

    def live(run_id: str, filter: LogFilter, lines: list[bytes]) -> str:
        if filter == EVERYTHING:  # a line looks the same to all who watch, and is drawn once for them
            return "".join([drawn(run_id, raw) for raw in lines])
        passing = [line for line in map(_decode, lines) if filter.passes(line)]
        return html(run_id, filter, passing) if passing else ""

    @routes.get("/runs/{run_id}/log/stream", response_class=EventStream, dependencies=[Depends(room)])
    async def stream(run_id: known, filter: filtered, after: Annotated[int, Depends(cursor)]) -> EventStream:
        return EventStream(_events(tail(run_id, after, logs, notifier, watch), partial(live, run_id, filter)))

    @routes.get("/runs/{run_id}/log/lines")
    def lines(run_id: known, filter: filtered, after: Annotated[int, Depends(cursor)]) -> HTMLResponse:
        """What a reader polls who cannot have a stream: the same lines, the same cursor."""
        has_ended = watch.snapshot(run_id) is None and watch.ended(run_id) is not None
        found = logs.read(run_id, after, MAX_LINES, filter)
        last = found[-1].seq if found else after
        headers = {"X-Log-After": str(last), "X-Log-End": str(int(has_ended and len(found) < MAX_LINES))}
        return HTMLResponse(html(run_id, filter, found), headers=headers)

    @routes.get("/runs/{run_id}/log/download")
    def download(run_id: known, filter: filtered, form: Literal["text", "ndjson"] = "text") -> StreamingResponse:
        """What the filter shows, whole, as a file."""
        name = f"run-{run_id}.{'log' if form == 'text' else 'jsonl'}"
        return StreamingResponse(
            _file(logs, run_id, filter, form),
            media_type="text/plain; charset=utf-8" if form == "text" else "application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"},
        )

    return routes


async def _events(
    items: AsyncGenerator[Lines | State | End | KeepAlive, None], html: Callable[[list[bytes]], str]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(items):
        async for item in items:
            match item:
                case Lines(last, raw):
                    # An empty event is not dispatched, but it moves the browser's cursor.
                    yield event("log", html(raw), id=last)
                case State(text):
                    yield event("state", text)
                case End(last, state):
                    yield event("end", state, id=last)
                case _:
                    yield KEEP_ALIVE
            await asyncio.sleep(0)  # a reader who catches up on a long log shares the loop with all others


def _file(logs: LogStore, run_id: str, filter: LogFilter, form: str) -> Iterator[str]:
    for line in logs.select(run_id, 0, filter):
        if form == "text":
            yield f"{line.at} {line.stage} {line.level:7} {line.text}\n"
        else:
            yield json.dumps(msgspec.to_builtins(line), ensure_ascii=False) + "\n"
