"""Runs as JSON: the names and answers that scripts rely on."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.panel.pages import error_handlers as errors
from app.panel.pages.renderer import PageRenderer
from app.panel.runs.web import api
from app.web.app_objects import provide
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import PanelHarness

pytestmark = pytest.mark.process


@pytest.fixture
def harness(make_harness: MakeHarness) -> PanelHarness:
    return make_harness()


@pytest.fixture
def client(harness: PanelHarness) -> Iterator[TestClient]:
    app = FastAPI()
    errors.install(app, PageRenderer(harness.settings, harness.clock))
    app.include_router(api.router)
    provide(app, [harness.runs, harness.queries])
    with TestClient(app) as test_client:
        yield test_client


def test_start_answers_id_and_state_when_nothing_is_given(client: TestClient) -> None:
    answer = client.post("/api/v1/runs")
    assert answer.status_code == 201
    assert answer.json()["state"] == "queued"
    assert answer.headers["location"] == f"/api/v1/runs/{answer.json()['id']}"


def test_same_key_gives_the_same_run_when_it_comes_again(client: TestClient) -> None:
    first = client.post("/api/v1/runs", json={}, headers={"Idempotency-Key": "a"})
    again = client.post("/api/v1/runs", json={}, headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    refused = client.post("/api/v1/runs", json={}, headers={"Idempotency-Key": "a b"})
    assert (refused.status_code, refused.json()["id"]) == (422, "RUN-07")


@pytest.mark.parametrize("first", [{}, {"params": {"seed": 1}}])
@pytest.mark.parametrize("other", [{"params": {"seed": 2}}, {"params": {}}, {"force": True}, {"from_stage": "deploy"}])
def test_run_of_the_key_is_named_when_it_comes_with_another_request(
    client: TestClient, first: dict[str, object], other: dict[str, object]
) -> None:
    headers = {"Idempotency-Key": "a"}
    started = client.post("/api/v1/runs", json=first, headers=headers).json()
    refused = client.post("/api/v1/runs", json=other, headers=headers)
    assert (refused.status_code, refused.json()["id"], refused.json()["run_id"]) == (422, "RUN-19", started["id"])
    rerun = client.post(f"/api/v1/runs/{started['id']}/rerun", headers=headers)
    assert (rerun.status_code, rerun.json()["id"], rerun.json()["run_number"]) == (422, "RUN-19", 1)
    assert client.post("/api/v1/runs", json=first, headers=headers).json()["id"] == started["id"]
    assert len(client.get("/api/v1/runs").json()["runs"]) == 1


def test_same_run_is_the_answer_when_the_parameters_of_the_last_run_have_changed_meanwhile(client: TestClient) -> None:
    headers = {"Idempotency-Key": "a"}
    started = client.post("/api/v1/runs", headers=headers).json()
    client.post(f"/api/v1/runs/{started['id']}/cancel")
    client.post("/api/v1/runs", json={"params": {"seed": 99}})
    assert client.post("/api/v1/runs", headers=headers).json()["id"] == started["id"]


def test_rerun_comes_back_when_its_key_comes_again(client: TestClient) -> None:
    parent = client.post("/api/v1/runs").json()
    client.post(f"/api/v1/runs/{parent['id']}/cancel")
    headers = {"Idempotency-Key": "a"}
    rerun = client.post(f"/api/v1/runs/{parent['id']}/rerun", headers=headers).json()
    assert client.post(f"/api/v1/runs/{parent['number']}/rerun", headers=headers).json()["id"] == rerun["id"]
    other = client.post(f"/api/v1/runs/{parent['id']}/rerun", json={"params": {"seed": 2}}, headers=headers)
    assert (other.status_code, other.json()["run_id"]) == (422, rerun["id"])


def test_conflict_names_the_active_run_when_one_is_under_way(client: TestClient) -> None:
    first = client.post("/api/v1/runs", json={}).json()
    answer = client.post("/api/v1/runs", json={"force": True})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["id"], answer.json()["run_id"]) == ("RUN-01", first["id"])


@pytest.mark.parametrize(
    "body",
    [
        {"nonsense": 1},
        {"from_stage": "begin"},
        {"force": "yes"},
        {"params": []},
        {"params": {"nonsense": 1}},
        {"params": {"seed": -1}},
        [],
        "text",
    ],
)
def test_start_is_refused_with_a_problem_when_the_body_is_wrong(client: TestClient, body: object) -> None:
    answer = client.post("/api/v1/runs", json=body)
    assert answer.status_code == 422
    assert {"id", "what", "why", "fix", "status"} <= set(answer.json())


def test_detail_has_the_promised_fields_when_a_run_has_ended(client: TestClient, harness: PanelHarness) -> None:
    run = harness.run_to_end().row
    for name in (run.id, str(run.number)):
        detail = client.get(f"/api/v1/runs/{name}").json()
        assert {
            "id", "state", "trigger", "started_at", "finished_at", "duration_s", "stages", "metrics", "verdict",
            "model_version", "mlflow_run_id",
        } <= set(detail)  # fmt: skip
        assert [stage["name"] for stage in detail["stages"]] == ["set_seed", "process_data", "train_model", "deploy"]
        assert {"name", "state", "attempts", "duration_s", "compute_s"} <= set(detail["stages"][0])
        assert (detail["state"], detail["stages"][0]["attempts"], detail["model_version"]) == ("succeeded", 1, 1)


def test_pages_follow_each_other_when_there_are_more_runs(client: TestClient, harness: PanelHarness) -> None:
    for _ in range(5):
        harness.runs.skip("busy")
    seen: list[int] = []
    before: int | None = None
    while True:
        page = client.get("/api/v1/runs", params={"limit": 2} | ({"before": before} if before else {})).json()
        seen += [run["number"] for run in page["runs"]]
        before = page["next_before"]
        if before is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    assert client.get("/api/v1/runs", params={"state": "failed"}).json()["runs"] == []
    assert len(client.get("/api/v1/runs", params={"trigger": "schedule"}).json()["runs"]) == 5
    assert client.get("/api/v1/runs", params={"state": "nonsense"}).status_code == 422


def test_cancel_and_rerun_answer_when_asked(client: TestClient) -> None:
    run_id = client.post("/api/v1/runs", json={}).json()["id"]
    cancelled = client.post(f"/api/v1/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()) == (202, {"id": run_id, "state": "cancelled"})
    again = client.post(f"/api/v1/runs/{run_id}/rerun", json={"params": {"seed": 5}})
    assert again.status_code == 201
    assert client.get(f"/api/v1/runs/{again.json()['id']}").json()["params"]["seed"] == 5
    assert client.post("/api/v1/runs/none/cancel").status_code == 404
    assert client.get("/api/v1/runs/none").json()["id"] == "RUN-02"


def test_parameters_are_described_when_a_form_is_drawn(client: TestClient) -> None:
    properties = client.get("/api/v1/params").json()["properties"]
    assert properties["seed"]["default"] == 42
    assert properties["target"]["group"] == "Data"


def test_answers_are_described_when_the_document_is_read(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            status = next(code for code in operation["responses"] if code.startswith("2"))
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert "$ref" in schema or path == "/api/v1/params", (method, path)
    detail = document["components"]["schemas"]["RunDetailResponse"]["properties"]
    assert {"id", "stages", "verdict", "params", "reruns"} <= set(detail)
