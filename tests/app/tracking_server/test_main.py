"""The middleware, in front of an application that answers everything."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from app.tracking_server.main import AllowedRoutes


def _send(**scope: Any) -> list[Message]:
    """Return the messages with which the middleware, or the application behind it, answers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(AllowedRoutes(PlainTextResponse("reached"))(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"path": "/version"}, 200),
        ({"path": "/version", "root_path": ""}, 200),
        ({"path": "/version", "root_path": "/version"}, 404),
        ({"path": "/static-files/gateway/x", "root_path": "/static-files"}, 404),
        ({"path": "/gateway/x"}, 404),
    ],
)
def test_a_request_is_answered_when_its_route_is_the_one_that_mlflow_reads(scope: dict[str, str], status: int) -> None:
    assert _send(type="http", method="GET", headers=[], **scope)[0]["status"] == status


def test_a_websocket_is_closed_when_its_path_is_allowed() -> None:
    assert [message["type"] for message in _send(type="websocket", path="/version", headers=[])] == ["websocket.close"]
