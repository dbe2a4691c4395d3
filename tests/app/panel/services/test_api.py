"""Services as JSON: the same verbs as on the page."""

import threading
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.panel.audit.log import AuditLog
from app.panel.clock import SystemClock
from app.panel.db.engine import Database
from app.panel.pages import error_handlers
from app.panel.pages.renderer import PageRenderer
from app.panel.services import api
from app.panel.services.preflight import Preflight
from app.panel.settings import Settings
from app.web.app_objects import provide
from bench.ports import free_port
from tests.app.panel.services.conftest import Supervise, fake_spec

pytestmark = pytest.mark.process


def test_services_are_listed_restarted_and_read_when_they_run(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(fake_spec("api", free_port()))
    settings = Settings(data_dir=tmp_path, state_dir=tmp_path, models_dir=tmp_path)
    app = FastAPI()
    preflight = Preflight(settings, supervisor, SystemClock())
    provide(app, (supervisor, preflight, AuditLog(Database(tmp_path / "panel.db"), SystemClock())))
    error_handlers.install(app, PageRenderer(settings, SystemClock()))
    app.include_router(api.router)
    supervisor.start()
    supervisor.wait_ready(("api",), 20, threading.Event())
    with TestClient(app) as client:
        body = client.get("/api/v1/services").json()
        assert (body["runtime"], body["is_healthy"]) == ("process", True)
        assert [(row["name"], row["state"]) for row in body["services"]] == [("api", "running")]
        log = client.get("/api/v1/services/api/log").json()
        assert log["lines"][0].endswith("begins")
        assert client.get("/api/v1/services/api/log", params={"after": log["after"]}).json()["lines"] == []
        assert client.post("/api/v1/services/api/restart").json()["n_restarts"] == 1
        for unknown in (client.post("/api/v1/services/nothing/restart"), client.get("/api/v1/services/nothing/log")):
            assert (unknown.status_code, unknown.json()["id"]) == (404, "SVC-05")
        checks = client.get("/api/v1/preflight").json()
        assert checks["state"] in {"ok", "warning"}
        assert {"id", "name", "state", "message", "why", "fix", "command"} == set(checks["checks"][0])
