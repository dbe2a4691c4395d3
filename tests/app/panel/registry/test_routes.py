"""The Models page: versions, promotion, rollback and the history of deployments."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.panel.clock import SystemClock
from app.panel.pages.renderer import PageRenderer
from app.panel.registry import routes
from app.panel.registry.ledger import Ledger
from app.panel.registry.store import DeploymentStore
from app.panel.settings import Settings
from app.web.app_objects import provide
from pipeline.core.pointer import read_pointer
from tests.app.panel.registry.conftest import RegistryHarness


@pytest.fixture
def client(registry: RegistryHarness) -> Iterator[TestClient]:
    app = FastAPI()
    provide(app, (registry.models, registry.queries, PageRenderer(Settings(), SystemClock())))
    app.include_router(routes.router)
    with TestClient(app, follow_redirects=False) as opened:
        yield opened


def test_page_says_what_to_do_when_there_is_no_model(client: TestClient) -> None:
    page = client.get("/models").text
    assert "There is no model yet" in page
    assert "No model has been deployed yet." in page


def test_versions_go_live_and_back_when_the_forms_are_sent(client: TestClient, registry: RegistryHarness) -> None:
    for run in (1, 2):
        registry.deploy(run)
    page = client.get("/models").text
    assert "Roll back to version 1?" in page
    assert 'href="/runs/run-2">by its run</a>' in page
    answer = client.post("/models/rollback", data={"to": "1", "leaving": "2"})
    assert (answer.status_code, answer.headers["location"], registry.live) == (303, "/models", 1)
    page = client.get("/models").text
    assert "Rolled back manually." in page
    assert '<span class="tag">rolled back</span>' in page
    assert client.post("/models/2/promote").status_code == 303
    assert registry.live == 2
    assert "Promoted manually." in client.get("/models").text


def test_rows_of_earlier_versions_read_well_when_their_actors_have_other_names(
    client: TestClient, registry: RegistryHarness
) -> None:
    registry.deploy(1)
    store, pointer = (
        DeploymentStore(registry.db, SystemClock(), Ledger(registry.models_dir)),
        read_pointer(registry.models_dir),
    )
    for actor in ("hand", "watch"):
        row = store.begin("promote", pointer, pointer, actor=actor, reason="")
        assert row.id is not None
        store.finish(row.id, "failed", "", None)
    page = client.get("/models").text
    assert '<td class="nowrap">manually</td>' in page
    assert '<td class="nowrap">automatically</td>' in page
