"""Streams end with the session that opened them, without anything having to happen on the stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Message

from app.panel.auth import middleware
from app.panel.auth.middleware import AuthMiddleware
from app.panel.auth.service import Auth
from app.panel.auth.sessions import MAX_IDLE, Browser
from app.panel.auth.tables import LoginSession
from app.panel.clock import SystemClock
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from tests.app.panel.auth.conftest import HandClock


def _login(auth: Auth) -> str:
    match = re.search("token=(.+)", auth.login_url())
    assert match
    return auth.login_with_link(match[1], Browser("here"))


def _session(auth: Auth, token: str) -> LoginSession:
    session = auth.sessions.find(token)
    assert session is not None
    return session


async def _read(auth: Auth, token: str, kind: str, then: Callable[[], None]) -> list[Message]:
    """Return the messages that a reader gets of an endless response if `then` happens after its first line."""
    app = FastAPI()

    async def lines() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        return StreamingResponse(lines(), media_type=kind)

    sent: list[Message] = []
    first = asyncio.Event()
    request = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        message = next(request, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body"):
            first.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/endless",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"cookie", f"panel_session_8080={token}".encode())],
    }
    answering = asyncio.create_task(
        AuthMiddleware(app, auth, PageRenderer(Settings(), SystemClock()))(scope, receive, send)
    )
    await asyncio.wait_for(first.wait(), 10)
    then()
    try:
        await asyncio.wait_for(answering, 1)
    except TimeoutError:
        sent.append({"type": "open"})
    return sent


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "CHECK_EVERY_S", 0.02)


@pytest.mark.parametrize("how", ["logout", "time"])
def test_stream_ends_as_if_complete_when_its_session_ends(auth: Auth, clock: HandClock, how: str) -> None:
    token = _login(auth)

    def end() -> None:
        if how == "logout":
            auth.logout(_session(auth, token))
        clock.s += MAX_IDLE.total_seconds() + 1

    sent = asyncio.run(_read(auth, token, "text/event-stream", end))
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n", b""]
    assert not sent[-1].get("more_body")


def test_file_is_cut_off_when_its_session_ends(auth: Auth) -> None:
    token = _login(auth)
    sent = asyncio.run(_read(auth, token, "text/plain", lambda: auth.logout(_session(auth, token))))
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n"]
    assert sent[-1]["more_body"] is True


@pytest.mark.slow
def test_stream_goes_on_when_another_session_ends(auth: Auth) -> None:
    token, other = _login(auth), _login(auth)
    sent = asyncio.run(_read(auth, token, "text/event-stream", lambda: auth.logout(_session(auth, other))))
    assert sent[-1] == {"type": "open"}
