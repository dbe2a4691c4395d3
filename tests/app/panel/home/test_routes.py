"""The home page answers four questions: healthy, running, live, changed."""

import pytest
from starlette.testclient import TestClient

from app.panel.registry.queries import ModelQueries
from tests.app.panel.registry.conftest import RegistryHarness

pytestmark = pytest.mark.process


def test_home_shows_button_stages_schedule_and_runs_when_nothing_is_running(client: TestClient) -> None:
    page = client.get("/").text
    for text in (">Run pipeline</button>", "Train model", "Last runs", 'href="/runs/1"', "Live model", "Services"):
        assert text in page


def test_schedule_is_changed_when_its_forms_are_sent(client: TestClient) -> None:
    assert client.post("/schedule/pause").headers["location"] == "/"
    assert "The schedule is paused" in client.get("/").text
    client.post("/schedule/resume")
    client.post("/schedule/interval", data={"number": "1.5", "unit": "h"})
    page = client.get("/").text
    assert "every 90 min" in page
    assert "The schedule is paused" not in page


def test_poll_is_slow_when_nothing_moves(client: TestClient) -> None:
    assert 'data-poll-s="10"' in client.get("/", headers={"HX-Request": "true"}).text


def test_live_model_is_shown_when_there_is_one(client: TestClient, registry: RegistryHarness) -> None:
    registry.deploy(1)
    objects = client.app.state.provided  # type: ignore[attr-defined]  # an ASGI application for the types
    queries = objects[ModelQueries]
    objects[ModelQueries] = registry.queries
    try:
        page = client.get("/").text
    finally:
        objects[ModelQueries] = queries
    assert "The gate says promote." in page
    assert "data-for>since " in page
    assert "Linear model for “y”" in page
