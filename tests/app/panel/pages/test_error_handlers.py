"""Problems have one shape: a page for people, problem details for scripts, a toast for a swap."""

import errno
import logging
import os
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.panel.clock import SystemClock
from app.panel.pages import error_handlers as errors
from app.panel.pages.renderer import Health, PageRenderer
from app.panel.settings import Settings
from app.web.identity import Identity, set_identity
from tests.builders.problems import problem

pytestmark = pytest.mark.process
SCRIPT = {"Accept": "application/json"}


def test_page_says_what_why_and_what_to_do_when_there_is_no_such_page(client: TestClient) -> None:
    page = client.get("/nowhere/<b>")
    assert page.status_code == 404
    assert all(text in page.text for text in ("WEB-04", "Page not found.", "/nowhere/&lt;b&gt;"))
    assert client.get("/nowhere", headers=SCRIPT).json()["id"] == "WEB-04"
    assert client.get("/api/v1/nowhere").headers["content-type"] == "application/problem+json"
    toast = client.get("/runs/99999", headers={"HX-Request": "true"})
    assert toast.status_code == 404
    assert toast.text.startswith('<div class="toast">')


def test_field_is_named_when_a_form_is_not_filled_in(client: TestClient) -> None:
    answer = client.post("/schedule/interval", data={"number": "0", "unit": "min"})
    assert answer.status_code == 422
    assert "WEB-06" in answer.text
    assert "number" in answer.text


def test_method_is_refused_when_a_path_does_not_take_it(client: TestClient) -> None:
    answer = client.put("/runs", headers=SCRIPT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert client.delete("/api/v1/users/somebody/password").headers["allow"] == "PUT"


def test_no_detail_leaves_when_something_unforeseen_breaks(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    errors.install(app, PageRenderer(Settings(), SystemClock()))

    @app.get("/break")
    def broken() -> None:
        raise RuntimeError("secret detail")

    @app.get("/known")
    def known() -> None:
        raise problem("WEB-03", "What <happened>.", why="Why.", fix="Do.", command="run --this", status=413)

    client = TestClient(app, raise_server_exceptions=False, headers={"Accept": "text/html"})
    with caplog.at_level(logging.ERROR):
        page = client.get("/break")
    assert page.status_code == 500
    assert "WEB-05" in page.text
    # It is made outside of the guard that adds the headers to all others.
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "secret detail" not in page.text
    assert "secret detail" in caplog.text
    page = client.get("/known")
    assert page.status_code == 413
    assert all(text in page.text for text in ("What &lt;happened&gt;.", "Why.", "Do.", "run --this"))


@pytest.mark.parametrize(
    ("number", "name", "status", "id"),
    [
        (errno.ENOSPC, "models/current.json", 507, "DISK-03"),
        (errno.EROFS, "state/runs/x", 507, "DISK-05"),
        (errno.EACCES, "data/raw/a.csv", 507, "DISK-06"),
        (errno.EIO, "data/processed/x", 507, "DISK-08"),
        (errno.ENOENT, "/elsewhere/nothing", 500, "WEB-05"),
    ],
)
def test_folder_is_named_when_a_route_cannot_use_it(
    tmp_path: Path, number: int, name: str, status: int, id: str
) -> None:
    settings = Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models", state_dir=tmp_path / "state")
    app = FastAPI()
    errors.install(app, PageRenderer(settings, SystemClock()))

    @app.get("/break")
    def broken() -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / name))

    answer = TestClient(app, raise_server_exceptions=False).get("/break")
    assert (answer.status_code, answer.json()["id"]) == (status, id)
    assert (str(tmp_path) in answer.json()["command"]) is (status == 507)


def test_health_is_on_each_page_and_in_each_swap_when_it_is_known() -> None:
    renderer = PageRenderer(Settings(), SystemClock(), lambda: Health("warn", "MLflow is unhealthy"))
    app = FastAPI()
    errors.install(app, renderer)

    async def logged_in(scope: Scope, receive: Receive, send: Send) -> None:
        set_identity(scope, Identity("admin", "admin", "link"))
        await app(scope, receive, send)

    assert "MLflow is unhealthy" in TestClient(logged_in, headers={"Accept": "text/html"}).get("/runs/x").text


def test_stranger_sees_nothing_of_the_panel_when_something_is_refused(client: TestClient) -> None:
    assert "Log out" in client.get("/nothing").text
    stranger = TestClient(client.app, base_url="http://127.0.0.1:8080", headers={"Accept": "text/html"})
    for answer in (
        stranger.get("/static/nothing"),
        stranger.put("/login", headers={"Origin": "http://127.0.0.1:8080"}),
        stranger.post("/login", headers={"Content-Length": str(2**21), "Origin": "http://127.0.0.1:8080"}),
    ):
        assert answer.status_code in {404, 405, 413}
        assert "Log out" not in answer.text


@pytest.mark.parametrize(("status", "when"), [(503, "5"), (507, "5"), (409, None)])
def test_page_says_when_to_come_back_when_waiting_helps(status: int, when: str | None) -> None:
    app = FastAPI()
    errors.install(app, PageRenderer(Settings(), SystemClock()))

    @app.get("/full")
    def full() -> None:
        raise problem("DISK-01", "Full.", status=status)

    client = TestClient(app)
    for accept in ("text/html", "application/json"):
        assert client.get("/full", headers={"Accept": accept}).headers.get("retry-after") == when
