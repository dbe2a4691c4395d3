"""Each session and each token has eight streams; a stream that is over, in whatever way, makes room at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from app.panel.auth.tables import LoginSession
from app.panel.logs import api, routes
from app.panel.logs.dependencies import RunIds
from app.panel.logs.followers import MAX_STREAMS, Followers
from app.panel.logs.line_renderer import LineRenderer
from app.panel.logs.store import LogStore
from app.panel.logs.tail import RunStates
from app.panel.notifier import Notifier
from app.web.app_objects import provide
from app.web.identity import Identity, set_identity
from app.web.templating import create_environment
from pipeline.core.problems import ProblemError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = ("/runs/1/log/stream", "/api/v1/runs/1/log/stream")


class EndlessRun:
    """A run that goes on."""

    def snapshot(self, run_id: str, /) -> tuple[int, str] | None:
        return 1, f'{{"id":"{run_id}"}}'

    def final_state(self, run_id: str, /) -> str | None:
        raise AssertionError(run_id)

    def full_id(self, reference: str, /) -> str:
        return reference


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    run, logs = EndlessRun(), LogStore(tmp_path)
    app = FastAPI()
    objects = (logs, Notifier(), Followers(), LineRenderer(create_environment(), logs))
    provide(app, objects, {RunStates: run, RunIds: run})
    app.include_router(api.router)
    app.include_router(routes.router)

    @app.exception_handler(ProblemError)
    def refused(_request: object, error: Exception) -> None:
        raise error

    return app


def by_session(digest: str) -> Callable[[Scope], None]:
    def log_in(scope: Scope) -> None:
        scope["panel.session"] = LoginSession(
            digest=digest,
            user="ann",
            via="link",
            created_at=NOW,
            seen_at=NOW,
            is_long=False,
            address="",
            agent="",
        )
        set_identity(scope, Identity("ann", "viewer", "link"))

    return log_in


def by_token(name: str) -> Callable[[Scope], None]:
    return lambda scope: set_identity(scope, Identity(name, "viewer", "token"))


class Stream:
    """One reader of an endless log."""

    def __init__(self, app: FastAPI, path: str, log_in: Callable[[Scope], None]) -> None:
        self._leaves = asyncio.Event()
        self._begins = asyncio.Event()
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "scheme": "http",
            "headers": [],
        }
        log_in(scope)
        self.answering = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message.get("body"):
            self._begins.set()

    async def begin(self) -> None:
        """Return when the first event is there. Raises the problem that is the answer instead."""
        begins = asyncio.create_task(self._begins.wait())
        await asyncio.wait({self.answering, begins}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        begins.cancel()
        if self.answering.done():
            self.answering.result()
        assert self._begins.is_set()

    async def leave(self) -> None:
        self._leaves.set()
        await asyncio.wait_for(self.answering, 10)


@asynccontextmanager
async def all_places_taken(app: FastAPI, log_in: Callable[[Scope], None]) -> AsyncIterator[list[Stream]]:
    streams = [Stream(app, PATHS[i % 2], log_in) for i in range(MAX_STREAMS)]
    for stream in streams:
        await stream.begin()
    yield streams
    for stream in streams:
        stream.answering.cancel()
    await asyncio.gather(*(stream.answering for stream in streams), return_exceptions=True)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("log_in", [by_session("a"), by_token("ann/script")], ids=["session", "token"])
def test_ninth_stream_is_refused_when_eight_are_open(app: FastAPI, path: str, log_in: Callable[[Scope], None]) -> None:
    async def read() -> None:
        async with all_places_taken(app, log_in):
            with pytest.raises(ProblemError) as refused:
                await Stream(app, path, log_in).begin()
            assert (refused.value.id, refused.value.status) == ("WEB-09", 429)
            for other in (by_session("b"), by_token("ann/other")):
                stream = Stream(app, path, other)
                await stream.begin()
                await stream.leave()

    asyncio.run(read())


@pytest.mark.parametrize("how", ["the reader leaves", "the request is cancelled"])
def test_place_is_free_at_once_when_a_stream_ends(app: FastAPI, how: str) -> None:
    async def read() -> None:
        async with all_places_taken(app, by_session("a")) as streams:
            for ended in list(streams):
                if how == "the reader leaves":
                    await ended.leave()
                else:
                    ended.answering.cancel()
                    await asyncio.wait({ended.answering}, timeout=10)
                new = Stream(app, PATHS[0], by_session("a"))
                await new.begin()
                streams.append(new)

    asyncio.run(read())


def test_no_place_is_lost_when_readers_leave_before_the_stream_begins(app: FastAPI) -> None:
    async def read() -> None:
        for _ in range(MAX_STREAMS + 1):
            stream = Stream(app, PATHS[0], by_session("a"))
            await stream.leave()
        await Stream(app, PATHS[0], by_session("a")).begin()

    asyncio.run(read())
