"""Models as JSON: the same verbs as on the page."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from app.panel.registry import api
from app.web.app_objects import provide
from app.web.problem_response import problem_response
from pipeline.core.problems import ProblemError
from tests.app.panel.registry.conftest import RegistryHarness


@pytest.fixture
def client(registry: RegistryHarness) -> Iterator[TestClient]:
    app = FastAPI()
    provide(app, (registry.models, registry.queries))
    app.include_router(api.router)

    @app.exception_handler(ProblemError)
    def answer(_: Request, problem: ProblemError) -> object:
        return problem_response(problem)

    with TestClient(app) as opened:
        yield opened


def test_versions_are_listed_newest_first_when_there_are_some(client: TestClient, registry: RegistryHarness) -> None:
    assert client.get("/api/v1/models").json() == {"live": None, "previous": None, "rollback_targets": [], "models": []}
    registry.deploy(1)
    registry.deploy(2)
    body = client.get("/api/v1/models").json()
    assert (body["live"], body["previous"]) == (2, 1)
    assert [(row["version"], row["state"]) for row in body["models"]] == [(2, "live"), (1, "previous")]


def test_members_have_their_public_names_when_the_code_has_others(
    client: TestClient, registry: RegistryHarness
) -> None:
    registry.deploy(1)
    registry.deploy(2)
    assert {"who": "api", "why": "Rolled back through the API."}.items() <= client.post(
        "/api/v1/models/rollback"
    ).json().items()
    assert [row["is_held"] for row in client.get("/api/v1/models").json()["models"]] == [True, False]
    assert client.get("/api/v1/deployments").json()["deployments"][0]["who"] == "api"


def test_it_is_live_when_the_answer_comes(client: TestClient, registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    answer = client.post("/api/v1/models/1/promote")
    assert (answer.status_code, answer.json()["outcome"], answer.json()["to_version"]) == (200, "done", 1)
    assert registry.live == 1
    assert client.post("/api/v1/models/rollback", json={"to": 2}).json()["to_version"] == 2
    assert registry.live == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "id"),
    [
        ("/api/v1/models/9/promote", None, 404, "DEPLOY-04"),
        ("/api/v1/models/rollback", None, 409, "DEPLOY-07"),
        ("/api/v1/models/rollback", {"to": "x"}, 422, None),
        ("/api/v1/models/rollback", {"too": 1}, 422, None),
    ],
)
def test_the_reason_is_given_when_it_is_refused(
    client: TestClient, path: str, body: object, status: int, id: str | None
) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json().get("id")) == (status, id)


def test_deployments_are_paged_and_found_by_time_when_there_are_some(
    client: TestClient, registry: RegistryHarness
) -> None:
    registry.deploy(1)
    registry.deploy(2)
    rows = client.get("/api/v1/deployments").json()["deployments"]
    assert [row["to_version"] for row in rows] == [2, 1]
    older = client.get("/api/v1/deployments", params={"before_id": rows[0]["id"]}).json()["deployments"]
    assert [row["to_version"] for row in older] == [1]
    then = client.get("/api/v1/deployments", params={"live_at": rows[0]["at"]}).json()["deployments"]
    assert [row["to_version"] for row in then] == [1]
    long_ago = client.get("/api/v1/deployments", params={"live_at": "2020-01-01T00:00:00Z"})
    assert long_ago.json() == {"deployments": []}
    assert client.get("/api/v1/deployments", params={"live_at": "2020-01-01T00:00:00"}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"/api/v1/models/{2**63}/promote", None),
        ("POST", "/api/v1/models/rollback", {"to": 2**63}),
        ("GET", f"/api/v1/deployments?before_id={2**63}", None),
        ("GET", "/api/v1/deployments?live_at=0.5", None),
        ("GET", "/api/v1/deployments?live_at=0001-01-01T00:00:00%2B05:00", None),
    ],
)
def test_it_is_refused_when_no_number_or_time_can_be_so_large_or_small(
    client: TestClient, method: str, path: str, body: object
) -> None:
    assert client.request(method, path, json=body).status_code == 422
