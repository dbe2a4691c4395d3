"""The whole panel in this process, with stages that do nothing, logged in, with a history of a few runs."""

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.panel.auth.service import Auth
from app.panel.main import create_app
from app.panel.settings import Settings
from app.web.app_objects import provided_object
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from bench.wait import until

FINAL = {"succeeded", "failed", "cancelled", "interrupted", "skipped"}


def wait_final(client: TestClient, run: str) -> str:
    """Return the state in which the run ended."""
    state: str = until(
        lambda: (now := client.get(f"/api/v1/runs/{run}").json()["state"]) in FINAL and now,
        within_s=60.0,
        what="the run ends",
    )
    return state


def start(client: TestClient, path: str = "/runs", **fields: str) -> str:
    """Return the number of the run that the form at `path` starts."""
    answer = client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"].removeprefix("/runs/"))


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Logged in as a person is, with the browser's headers; run 1 has succeeded."""
    home = tmp_path_factory.mktemp("panel")
    raw = home / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "data.csv").write_text("x,y\n1,0\n")
    settings = Settings(
        data_dir=home / "data",
        state_dir=home / "state",
        models_dir=home / "models",
        retries=0,
        runtime="process",
        run_starts_per_minute=10_000,
    )
    app = create_app(settings, stages=EMPTY_STAGES, deploy=live_at_once)
    login = re.sub(r"^http://[^/]+", "", provided_object(app, Auth).login_url())
    headers = {"Accept": "text/html", "Origin": "http://127.0.0.1:8080"}
    with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False, headers=headers) as opened:
        assert opened.get(login).status_code == 303
        assert wait_final(opened, start(opened, idempotency_key="first")) == "succeeded"
        yield opened
