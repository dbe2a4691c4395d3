"""The whole panel in one process: what is wired, over HTTP."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from app.panel import startup
from app.panel.db.engine import Database
from app.panel.main import create_app
from app.panel.runs.stage_process import launcher
from app.panel.settings import Settings
from app.web.app_objects import provided_object
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from tests.app.panel.runs.panel_harness import PRELOAD

pytestmark = pytest.mark.process


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(launcher.Launcher.__init__, "__defaults__", (None, PRELOAD))
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=tmp_path / "models")
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "data.csv").write_text("a")
    (raw / ".upload-0123456789abcdef").write_text("half of what a killed panel was sent")
    settings.state_dir.mkdir()
    token = startup.ensure_cli_token(settings.state_dir)
    app = create_app(settings, stages=EMPTY_STAGES, deploy=live_at_once)
    with TestClient(app, base_url="http://127.0.0.1:8080", headers={"Authorization": f"Bearer {token}"}) as test_client:
        yield test_client


def events(client: TestClient, run_id: str, after: int = 0) -> list[tuple[str, str, str]]:
    """(event, id, data) of the stream until its end."""
    parsed: list[tuple[str, str, str]] = []
    with client.stream("GET", f"/api/v1/runs/{run_id}/log/stream", headers={"Last-Event-ID": str(after)}) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            else:
                if "data" in fields:
                    parsed.append((fields.get("event", ""), fields.get("id", ""), fields["data"]))
                fields = {}
    return parsed


def test_no_part_of_an_upload_is_left_when_the_panel_was_killed_in_it(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/healthz").status_code == 200
    assert [path.name for path in (tmp_path / "data" / "raw").iterdir()] == ["data.csv"]


def test_log_streams_from_start_to_end_when_a_run_goes_through(client: TestClient) -> None:
    run_id = client.post("/api/v1/runs", json={}).json()["id"]
    stream = events(client, run_id)
    lines = [line for event, _, data in stream if event == "log" for line in json.loads(data)["lines"]]
    stored = client.get(f"/api/v1/runs/{run_id}/log").text
    assert [json.dumps(line) for line in lines] == [json.dumps(json.loads(line)) for line in stored.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert stream[-1] == ("end", str(len(lines)), json.dumps({"seq": len(lines), "state": "succeeded"}))
    assert {json.loads(data)["state"] for event, _, data in stream if event == "state"} >= {"running"}


def test_log_goes_on_after_the_cursor_when_a_reader_comes_back(client: TestClient) -> None:
    run_id = client.post("/api/v1/runs", json={}).json()["id"]
    n_lines = int(events(client, run_id)[-1][1])
    assert [event for event, _, _ in events(client, run_id, n_lines)] == ["end"]
    [log, _] = events(client, run_id, n_lines - 1)
    assert [line["seq"] for line in json.loads(log[2])["lines"]] == [n_lines]
    assert events(client, run_id, after="junk")[0][0] == "log"  # type: ignore[arg-type]  # what a broken proxy may send
    tail = client.get(f"/api/v1/runs/{run_id}/log", params={"after": 2, "limit": 3}).text.splitlines()
    assert [json.loads(line)["seq"] for line in tail] == [3, 4, 5]
    searched = client.get(f"/api/v1/runs/{run_id}/log", params={"text": "DEPLOYING"}).text.splitlines()
    assert [json.loads(line)["text"] for line in searched] == ["deploying"]
    assert client.get("/api/v1/runs/none/log/stream").status_code == 404
    too_many = client.get(f"/api/v1/runs/{run_id}/log", params={"limit": 2**63, "level": "error"})
    assert (too_many.status_code, too_many.json()["id"]) == (422, "WEB-06")


def test_start_is_refused_with_the_time_to_wait_when_there_were_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher.Launcher.__init__, "__defaults__", (None, PRELOAD))
    settings = Settings(
        data_dir=tmp_path / "data",
        state_dir=tmp_path / "state",
        models_dir=tmp_path / "models",
        runtime="process",
        run_starts_per_minute=1,
    )
    settings.state_dir.mkdir()
    headers = {"Authorization": f"Bearer {startup.ensure_cli_token(settings.state_dir)}"}
    app = create_app(settings, stages=EMPTY_STAGES, deploy=live_at_once)
    with TestClient(app, base_url="http://127.0.0.1:8080", headers=headers, follow_redirects=False) as limited:
        first = limited.post("/api/v1/runs", json={}, headers={"Idempotency-Key": "first"})
        events(limited, first.json()["id"])
        assert limited.post("/api/v1/runs", json={}, headers={"Idempotency-Key": "first"}).json() == {
            **first.json(),
            "state": "succeeded",
        }
        for path in ("/api/v1/runs", "/api/v1/runs/1/rerun", "/runs", "/runs/1/rerun"):
            answer = limited.post(path)
            assert (path, answer.status_code, answer.json()["id"]) == (path, 429, "RUN-17")
            assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_first_run_arms_the_schedule_when_a_person_starts_it(client: TestClient) -> None:
    assert client.get("/api/v1/schedule").json()["armed"] is False
    events(client, client.post("/api/v1/runs", json={}).json()["id"])
    view = client.get("/api/v1/schedule").json()
    assert (view["armed"], view["interval_s"]) == (True, 600)
    assert 590 < view["due_in_s"] <= 600


def test_schedule_is_changed_when_a_script_puts_it(client: TestClient) -> None:
    view = client.put("/api/v1/schedule", json={"interval_s": 60, "paused": True}).json()
    assert (view["interval_s"], view["paused"], view["paused_by"]) == (60, True, "api")
    assert client.put("/api/v1/schedule", json={"paused": False}).json()["due_in_s"] > 59
    for wrong in ({"interval_s": 0}, {"interval_s": "60"}, {"nonsense": 1}, {"paused": 1}):
        assert client.put("/api/v1/schedule", json=wrong).status_code == 422


def test_panel_says_that_it_is_alive_and_ready_when_it_runs(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = threading.Event()
    for _ in range(100):
        answer = client.get("/readyz")
        if answer.status_code == 200:
            break
        ready.wait(0.05)  # the first beat of the schedule is under way
    assert answer.json() == {"status": "ready", "database": "writable", "scheduler": "ticking"}
    events(client, client.post("/api/v1/runs", json={}).json()["id"])
    metrics = client.get("/metrics").text
    assert 'ml_pipeline_runs{state="succeeded",trigger="manual"} 1.0' in metrics
    assert "ml_pipeline_run_active 0.0" in metrics


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_is_answered_like_get_when_a_supervisor_asks(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])
    assert int(head.headers["content-length"]) > 0
    client.headers.pop("Authorization")
    assert client.head(path).status_code == (401 if path == "/metrics" else get.status_code)


def test_openapi_has_each_route_of_the_api_when_it_is_read(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    assert set(document) >= {"openapi", "info", "paths", "components"}
    operations = {
        (path, method): operation for path, item in document["paths"].items() for method, operation in item.items()
    }
    routes = {
        (context.path, method.lower())
        for context in iter_route_contexts(cast("FastAPI", client.app).routes)
        if context.path is not None and context.path.startswith("/api/v1/")
        for method in context.methods or ()
    }
    assert len(routes) > 20
    assert routes <= set(operations)
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(ids) == len(set(ids))
    assert all(
        response["description"] for operation in operations.values() for response in operation["responses"].values()
    )
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    stream = operations["/api/v1/runs/{run_id}/log/stream", "get"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


def test_stranger_is_refused_when_there_is_no_token(client: TestClient) -> None:
    client.headers.pop("Authorization")
    for path in ("/api/v1/runs", "/api/v1/schedule", "/metrics"):
        assert client.get(path).status_code == 401
    assert client.post("/api/v1/runs", json={}).status_code == 403
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(("peer", "status", "hsts"), [("10.0.0.1", 200, "max-age=31536000"), ("10.0.0.2", 421, None)])
def test_panel_is_as_the_browser_sees_it_when_a_trusted_proxy_is_in_front(
    tmp_path: Path, peer: str, status: int, hsts: str | None
) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        state_dir=tmp_path / "state",
        models_dir=tmp_path / "models",
        runtime="process",
        trusted_proxies="10.0.0.1",
        panel_public_url="https://panel.example",
    )
    app = create_app(settings, stages=EMPTY_STAGES, deploy=live_at_once)
    client = TestClient(app, base_url="http://inner:8080", client=(peer, 1))
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "panel.example", "Accept": "text/html"}
    answer = client.get("/login", headers=forwarded)
    assert answer.status_code == status
    assert answer.headers.get("strict-transport-security") == hsts
    provided_object(app, Database).close()
