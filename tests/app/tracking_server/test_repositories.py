"""MLflow's server reads no file and calls no address but its own artifacts, whatever its store says."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tests.builders.http_server import Answer, Request, http_server
from tests.builders.mlflow_server import mlflow_server

pytestmark = pytest.mark.process
AJAX = "/ajax-api/2.0/mlflow"
SECRET = "not for callers"


class Poisoned(NamedTuple):
    """A server whose store names places elsewhere, as stores written by an earlier version may."""

    url: str
    outside: Path
    listener: str
    seen: list[Request]
    locations: dict[str, tuple[str, str]]  # the run and the logged model by location


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poisoned]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("mlflow")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text(SECRET)
    (outside / "traces.json").write_text(json.dumps({"spans": [], "secret": SECRET}))
    seen: list[Request] = []

    def listen(request: Request) -> Answer:
        seen.append(request)
        return Answer(body=SECRET.encode())

    with mlflow_server(folder) as url, http_server(listen) as listener:
        path = folder / "state" / "mlflow" / "mlflow.db"
        store = SqlAlchemyStore(f"sqlite:///{path}", "mlflow-artifacts:/")
        registry = Registry(f"sqlite:///{path}")
        registry.create_registered_model("poisoned")
        host = listener.removeprefix("http://")
        locations = {}
        for location in (
            f"file://{outside}",
            str(outside),
            f"mlflow-artifacts:/../../../{outside}",
            f"mlflow-artifacts://{host}/x",
            f"{listener}/api/2.0/mlflow-artifacts/artifacts/../../..{outside}",
            f"{listener}/x",
            f"ftp://{host}/x",
            f"hdfs://{host}/x",
            f"dbfs://{host}/x",
            "s3://bucket/x",
            "gs://bucket/x",
            "runs:/0/x",
            "models:/poisoned/1",
        ):
            experiment = store.create_experiment(f"at {location}", "mlflow-artifacts:/x")
            run = store.create_run(experiment, "", 0, [], "x").info.run_id
            model = store.create_logged_model(experiment, "m", run).model_id
            registry.create_model_version("poisoned", "mlflow-artifacts:/x", run)
            locations[location] = (run, model)
            with sqlite3.connect(path) as db:
                db.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, experiment)
                )
                db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (location, run))
                db.execute("UPDATE logged_models SET artifact_location = ? WHERE model_id = ?", (location, model))
                values = (location, location, run)
                db.execute("UPDATE model_versions SET source = ?, storage_location = ? WHERE run_id = ?", values)
        yield Poisoned(url, outside, listener, seen, locations)


def test_no_file_is_read_and_no_address_called_when_the_store_names_it(poisoned: Poisoned) -> None:
    answers: dict[tuple[str, str], httpx2.Response] = {}
    with httpx2.Client(base_url=poisoned.url, timeout=30) as client:
        for number, (location, (run, model)) in enumerate(poisoned.locations.items(), start=1):
            for path in (
                f"/get-artifact?run_id={run}&path=secret.txt",
                f"/get-artifact?run_uuid={run}&path=secret.txt",
                f"/model-versions/get-artifact?name=poisoned&version={number}&path=secret.txt",
                f"{AJAX}/logged-models/{model}/artifacts/files?artifact_file_path=secret.txt",
                f"{AJAX}/artifacts/list?run_id={run}",
                f"{AJAX}/logged-models/{model}/artifacts/directories",
            ):
                answers[location, path] = client.get(path)
            query = "query Q($d: MlflowListArtifactsInput!) { mlflowListArtifacts(input: $d) { files { path } } }"
            body = {"query": query, "variables": {"d": {"runId": run}}}
            answers[location, "graphql"] = client.post("/graphql", json=body)
    read = [key for key, answer in answers.items() if SECRET in answer.text or '"path": "secret.txt"' in answer.text]
    assert read == []
    assert poisoned.seen == []
    statuses = {answer.status_code for key, answer in answers.items() if key[1].startswith("/get-artifact")}
    assert statuses <= {400, 404, 500}


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "..%252f..%252f..%252fetc/passwd",
        "%252e%252e/%252e%252e/mlflow.db",
        "/etc/passwd",
        "file:///etc/passwd",
        "file:../mlflow.db",
        "..\\..\\mlflow.db",
        "x%00",
        "http://127.0.0.1/x",
    ],
)
def test_no_file_outside_is_read_when_a_path_leads_there(poisoned: Poisoned, path: str, tmp_path: Path) -> None:
    with httpx2.Client(base_url=poisoned.url, timeout=30) as client:
        experiment = client.post(f"{AJAX}/experiments/create", json={"name": tmp_path.name}).json()["experiment_id"]
        run = client.post(f"{AJAX}/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]["run_id"]
        client.put(f"/ajax-api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/x", content=b"x")
        model = client.post(f"{AJAX}/logged-models", json={"experiment_id": experiment}).json()["model"]["info"][
            "model_id"
        ]
        for address in (
            f"/get-artifact?run_id={run}&path={path}",
            f"{AJAX}/logged-models/{model}/artifacts/files?artifact_file_path={path}",
            f"{AJAX}/artifacts/list?run_id={run}&path={path}",
            f"{AJAX}/logged-models/{model}/artifacts/directories?artifact_directory_path={path}",
            f"/ajax-api/2.0/mlflow-artifacts/artifacts?path={path}",
            f"/ajax-api/2.0/mlflow-artifacts/artifacts/{path}",
            f"{AJAX}/get-trace-artifact?request_id=tr-1&path={path}",
            f"/get-artifact?run_id={path}&path=x",
        ):
            answer = client.get(address)
            is_empty = answer.status_code == 200 and "files" not in answer.json()
            assert is_empty or answer.status_code in {400, 404, 500}, (address, answer.text)
            assert "root:" not in answer.text
            assert "SQLite" not in answer.text


def test_a_place_elsewhere_is_refused_when_a_caller_names_it(poisoned: Poisoned) -> None:
    with httpx2.Client(base_url=poisoned.url, timeout=30) as client:
        client.post(f"{AJAX}/registered-models/create", json={"name": "m"})
        for place in (f"file://{poisoned.outside}", str(poisoned.outside), "s3://bucket/x", f"{poisoned.listener}/x"):
            for path, body in (
                ("experiments/create", {"name": f"x {place}", "artifact_location": place}),
                ("experiments/create", {"name": f"y {place}", "artifactLocation": place}),
                ("model-versions/create", {"name": "m", "source": place}),
            ):
                answer = client.post(f"{AJAX}/{path}", json=body)
                assert answer.status_code == 400, (path, body, answer.text)
                assert "is not one of this server" in answer.json()["message"]
                twice = client.post(f"{AJAX}/{path}", json=json.dumps(body))
                assert twice.status_code == 400, (path, body, twice.text)
    assert poisoned.seen == []
