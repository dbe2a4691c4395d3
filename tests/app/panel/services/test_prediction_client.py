"""The prediction API as the panel calls it: typed responses, or one error that says why there is none."""

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.panel.services.prediction_client import NoResponseError, PredictionClient
from pipeline.core.prediction_api import Readiness

NOT_READY = Readiness(ready=False, version=None, digest=None, loaded_at=None, reload_failed=2, problem=None)


class Api:
    """Answers every request with `status` and `body`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.timing = ""
        self.live_data: list[str | None] = []
        self.requests: list[tuple[str, str, str | None]] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.requests.append((self.command, self.path, self.headers.get("Authorization")))
                api.live_data.append(self.headers.get("X-Live-Data"))
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(api.body)))
                self.send_header("Server-Timing", api.timing)
                self.end_headers()
                self.wfile.write(api.body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, _: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    yield server
    server.close()


def test_readiness_is_read_when_the_api_has_no_model(api: Api) -> None:
    api.status, api.body = 503, NOT_READY.model_dump_json().encode()
    assert PredictionClient(api).readiness() == NOT_READY


def test_key_and_path_are_sent_when_there_is_a_key(api: Api) -> None:
    api.body = b'[{"prediction": "no", "model_version": 3}]'
    assert PredictionClient(api, "s3cret").predict([{"x": 1.0}])[0].model_version == 3
    api.body = b"api_requests_total 1"
    assert PredictionClient(api).metrics() == "api_requests_total 1"
    assert api.requests == [("POST", "/predict", "Bearer s3cret"), ("GET", "/metrics", None)]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"starting", "/stats returned 503: starting"),
        (401, b"", "/stats returned 401"),
        (200, b"<html>", "an unexpected response"),
    ],
)
def test_error_says_why_when_there_is_no_usable_response(api: Api, status: int, body: bytes, reason: str) -> None:
    api.status, api.body = status, body
    with pytest.raises(NoResponseError, match=reason):
        PredictionClient(api).stats()


def test_error_says_why_when_nothing_listens(api: Api) -> None:
    api.close()
    with pytest.raises(NoResponseError, match="Refused") as caught:
        PredictionClient(api).stats()
    assert caught.value.is_unreachable


def test_the_api_is_not_called_unreachable_when_it_only_does_not_answer() -> None:
    """As in a flood: the connection is accepted, and nothing comes."""

    class Silent:
        def url(self, _: str) -> str:
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(NoResponseError, match="timed out") as caught,
    ):
        PredictionClient(Silent(), timeout_s=0.05).readiness()
    assert (caught.value.status, caught.value.is_unreachable) == (0, False)


@pytest.mark.parametrize(
    ("header", "row_s"),
    [
        ("processor;dur=1.500", 0.0015),
        ("processor;dur=3", 0.003),
        ("cache;dur=1.5", None),
        ("", None),
        ("processor", None),
    ],
)
def test_the_time_of_a_row_is_read_when_the_api_says_it(api: Api, header: str, row_s: float | None) -> None:
    api.body = b'{"prediction": "no", "model_version": 3}'
    api.timing = header
    prediction, read_s = PredictionClient(api).timed({"x": 1.0}, 5.0)
    assert (prediction.model_version, read_s) == (3, row_s)
    assert api.live_data == ["no"]
