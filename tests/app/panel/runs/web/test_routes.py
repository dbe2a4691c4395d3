"""The pages of runs over HTTP, without a browser."""

import re

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from sqlmodel import col
from starlette.testclient import TestClient

from app.panel.db.engine import Database
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import Trigger
from app.panel.runs.domain.tables import Run
from app.web.app_objects import provided_object
from tests.app.panel.conftest import start, wait_final

pytestmark = pytest.mark.process


def test_run_is_shown_whole_when_it_has_succeeded(client: TestClient) -> None:
    page = client.get("/runs/1").text
    for text in ("Run 1", "succeeded", "The first model beats the baseline.", "ROC AUC", "0.9000", "0.5000"):
        assert text in page
    assert page.count('class="stage is-succeeded"') == 4
    assert 'id="L1"' in page
    run_id = client.get("/api/v1/runs/1").json()["id"]
    assert client.get(f"/runs/{run_id}").status_code == 200


def test_part_is_sent_when_htmx_asks(client: TestClient) -> None:
    answer = client.get("/runs/1", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert 'id="run"' in answer.text
    assert "HX-Request" in answer.headers["vary"]


def test_one_run_starts_when_the_same_button_is_sent_twice(client: TestClient) -> None:
    first = start(client, idempotency_key="a button")
    assert start(client, idempotency_key="a button") == first
    assert wait_final(client, first) == "succeeded"


def test_list_is_narrowed_and_paged_when_asked(client: TestClient) -> None:
    assert 'href="/runs/1"' in client.get("/runs?state=succeeded&trigger=manual").text
    assert "No run matches the filter." in client.get("/runs?state=failed").text
    # An old or mistyped link still opens.
    assert 'href="/runs/1"' in client.get("/runs?state=nonsense").text
    assert 'href="/runs/1"' not in client.get("/runs?before=1").text


def test_run_leads_to_mlflow_whatever_number_its_experiment_has_when_mlflow_has_it(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    number = start(client, idempotency_key="tracked")
    assert wait_final(client, number) == "succeeded"
    with provided_object(client.app, Database).write() as session:
        session.exec(update(Run).where(col(Run.number) == int(number)).values(mlflow_run_id="abc7"))
    page = client.get(f"/runs/{number}").text
    # MLflow itself goes on from here to the experiment that the run belongs to.
    assert re.findall(r'href="(http://localhost:5000/[^"]*)"', page) == ["http://localhost:5000/#/runs/abc7"]
    assert 'href="http://localhost:5000/#/experiments"' in client.get("/").text


def test_drift_is_named_when_it_has_started_the_run(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    run = provided_object(client.app, RunService).start(Trigger.DRIFT, force=True, requested_by="drift")
    assert wait_final(client, str(run.number)) == "succeeded"
    assert "Started by drift, " in client.get(f"/runs/{run.number}").text
    assert client.get(f"/api/v1/runs/{run.number}").json()["trigger"] == "drift"
    assert f'href="/runs/{run.number}"' in client.get("/runs?trigger=drift").text
    assert f'href="/runs/{run.number}"' not in client.get("/runs?trigger=schedule").text


def test_person_is_named_when_somebody_has_started_the_run(client: TestClient) -> None:
    assert "Started by admin, " in client.get("/runs/1").text


def test_run_is_done_again_from_a_stage_when_asked(client: TestClient) -> None:
    number = start(client, "/runs/1/rerun", stage="train_model")
    assert wait_final(client, number) == "succeeded"
    page = client.get(f"/runs/{number}").text
    assert page.count('class="stage is-reused"') == 2
    assert '<a href="/runs/1">run 1</a> by admin, ' in page


def test_run_is_done_again_with_changes_when_the_form_is_sent(client: TestClient) -> None:
    parent = client.get("/api/v1/runs/1").json()["id"]
    form = client.get("/runs/new?run=1&stage=train_model").text
    assert '<option value="train_model" selected>' in form
    number = start(
        client, "/runs/new", **{**_fields(), "parent": parent, "from_stage": "train_model", "gate_margin": "0.1"}
    )
    assert wait_final(client, number) == "succeeded"
    page = client.get(f"/runs/{number}").text
    assert "gate_margin" in page
    assert "(1 changed)" in page


def test_form_comes_back_with_reasons_when_it_cannot_be(client: TestClient) -> None:
    before = client.get("/api/v1/runs").json()["runs"][0]["number"]
    answer = client.post("/runs/new", data={**_fields(), "seed": "seven"})
    assert answer.status_code == 422
    assert 'value="seven"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert client.get("/api/v1/runs").json()["runs"][0]["number"] == before


def test_cancel_is_refused_when_the_run_has_ended(client: TestClient) -> None:
    answer = client.post("/runs/1/cancel")
    assert answer.status_code == 409
    assert "RUN-05" in answer.text


def _fields() -> dict[str, str]:
    from app.panel.runs.web.form import build
    from pipeline.core.params import Params

    groups = build(Params().model_dump(mode="json"))
    return {field.name: field.text for group in groups for field in group.fields if field.text}
