"""Who may change what in MLflow, through the real server and MLflow's own client."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.tracking_server.guard import MAX_JSON_BYTES, MIN_FREE_BYTES, Guard
from app.tracking_server.project import Project
from app.tracking_server.routes import writes
from app.web.identity import ROLES, Identity
from pipeline.core.product import NAME
from tests.builders.mlflow_server import TOKEN, mlflow_server

pytestmark = pytest.mark.process
API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


class Stored(NamedTuple):
    """What the panel's delivery has left on a server, and an operator's own experiment."""

    url: str
    experiment: str
    run: str
    model: str
    own_experiment: str
    own_run: str


def _call(stored: Stored, role: str, method: str, path: str, body: object = None, **options: Any) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {role}"} if role else {}
    return httpx2.request(method, stored.url + path, json=body, headers=headers, **options)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Yield a server with the project's experiment, one version with the alias, and an experiment of an operator."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    with (
        mlflow_server(folder, has_token=False) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        mlflow.set_tracking_uri(url)
        client = mlflow.MlflowClient()
        experiment = client.create_experiment(NAME)
        run = client.create_run(experiment).info.run_id
        client.log_text(run, "ours", "evaluation.json")
        model = client.create_logged_model(experiment, name="model", source_run_id=run).model_id
        client.create_registered_model(NAME)
        client.create_model_version(NAME, f"models:/{model}", run, model_id=model)
        client.set_registered_model_alias(NAME, "champion", "1")
        patch.setenv("MLFLOW_TRACKING_TOKEN", "operator")
        own_experiment = client.create_experiment("notebook")
        own_run = client.create_run(own_experiment).info.run_id
        yield Stored(url, experiment, run, model, own_experiment, own_run)


def _attacks(stored: Stored) -> list[tuple[str, str, object]]:
    """Return requests that change something that belongs to the project."""
    run, model = stored.run, stored.model
    metric = {"key": "roc_auc", "value": 0.001, "timestamp": 1, "step": 0}
    return [
        ("POST", f"{API}/runs/log-metric", {"run_id": stored.own_run, **metric, "model_id": model}),
        ("POST", f"{API}/runs/log-metric", {"run_id": stored.own_run, **metric, "modelId": model}),
        ("POST", f"{API}/runs/log-batch", {"run_id": stored.own_run, "metrics": [{**metric, "model_id": model}]}),
        ("POST", f"{API}/runs/outputs", {"run_id": stored.own_run, "models": [{"model_id": model, "step": 0}]}),
        ("POST", f"{API}/runs/log-inputs", {"run_id": stored.own_run, "models": [{"model_id": model}]}),
        ("POST", f"{API}/model-versions/create", {"name": "own", "source": f"models:/{model}", "model_id": model}),
        ("POST", f"{API}/model-versions/create", {"name": "own", "source": f"models:/{model}"}),
        ("POST", f"{API}/experiments/update", {"experiment_id": stored.experiment, "new_name": "gone"}),
        ("POST", f"{API}/experiments/update", {"experimentId": stored.experiment, "newName": "gone"}),
        ("POST", f"{API}/experiments/update", {"experiment_id": stored.own_experiment, "new_name": NAME}),
        ("POST", f"{API}/experiments/create", {"name": NAME}),
        ("POST", f"{API}/experiments/delete", {"experiment_id": stored.experiment}),
        ("POST", f"{API}/experiments/delete", {"experiment_id": f" 0{stored.experiment}"}),
        ("POST", f"{API}/experiments/restore", {"experiment_id": stored.experiment}),
        (
            "POST",
            f"{API}/experiments/set-experiment-tag",
            {"experiment_id": stored.experiment, "key": "a", "value": "b"},
        ),
        ("POST", f"{API}/runs/create", {"experiment_id": stored.experiment}),
        ("POST", f"{API}/runs/create", json.dumps({"experiment_id": stored.experiment})),
        ("POST", f"{API}/runs/delete", {"run_id": run}),
        ("POST", f"{API}/runs/update", {"run_uuid": run, "status": "FAILED"}),
        ("POST", f"{API}/runs/update", {"runUuid": run, "status": "FAILED"}),
        ("POST", f"{API}/runs/update", {"run_id": stored.own_run, "run_uuid": run, "status": "FAILED"}),
        ("POST", f"{API}/runs/set-tag", {"run_id": run, "key": "run_id", "value": "x"}),
        ("POST", f"{API}/runs/log-batch", {"run_id": run, "tags": [{"key": "run_id", "value": "x"}]}),
        ("POST", f"{API}/runs/log-metric", {"run_id": run, "key": "roc_auc", "value": 1, "timestamp": 1}),
        ("POST", f"{API}/runs/log-parameter", {"run_id": run, "key": "a", "value": "b"}),
        ("POST", f"{API}/logged-models", {"experiment_id": stored.experiment, "name": "evil"}),
        ("PATCH", f"{API}/logged-models/{model}", {"model_id": model, "status": 2}),
        ("PATCH", f"{API}/logged-models/m-1", {"model_id": model, "status": 2}),
        ("PATCH", f"{API}/logged-models/{model}/tags", {"tags": [{"key": "a", "value": "b"}]}),
        ("POST", f"{API}/logged-models/{model}/params", {"params": []}),
        ("DELETE", f"{API}/logged-models/{model}", None),
        ("DELETE", f"{API}/registered-models/delete", {"name": NAME}),
        ("POST", f"{API}/registered-models/rename", {"name": NAME, "new_name": "gone"}),
        ("POST", f"{API}/registered-models/rename", {"name": "other", "new_name": NAME}),
        ("PATCH", f"{API}/registered-models/update", {"name": NAME, "description": "x"}),
        ("POST", f"{API}/registered-models/alias", {"name": NAME, "alias": "champion", "version": "1"}),
        ("DELETE", f"{API}/registered-models/alias", {"name": NAME, "alias": "champion"}),
        ("POST", f"{API}/registered-models/set-tag", {"name": NAME, "key": "a", "value": "b"}),
        ("DELETE", f"{API}/model-versions/delete", {"name": NAME, "version": "1"}),
        ("POST", f"{API}/model-versions/create", {"name": NAME, "source": f"models:/{model}", "model_id": model}),
        ("POST", f"{API}/model-versions/transition-stage", {"name": NAME, "version": "1", "stage": "Archived"}),
        ("PUT", f"{ARTIFACTS}/{stored.experiment}/models/{model}/artifacts/mlflow_model.py", "evil"),
        ("PUT", f"{ARTIFACTS}/%25{ord(stored.experiment):x}/models/{model}/artifacts/mlflow_model.py", "evil"),
        ("PUT", f"{ARTIFACTS}/%252e/{stored.experiment}/models/{model}/artifacts/mlflow_model.py", "evil"),
        ("DELETE", f"{ARTIFACTS}/{stored.experiment}", None),
        ("DELETE", f"{ARTIFACTS}/{stored.experiment}/{run}/artifacts/evaluation.json", None),
    ]


@pytest.mark.parametrize("role", ["viewer", "operator", "nobody", ""])
def test_the_project_stays_as_it_is_when_the_caller_is_no_admin(stored: Stored, role: str) -> None:
    for prefix in ("/api/", "/ajax-api/"):
        for method, path, body in _attacks(stored):
            response = _call(stored, role, method, path.replace("/api/", prefix, 1), body)
            answer = (response.status_code, response.json()["error_code"])
            expected = {(403, "PERMISSION_DENIED") if role in ROLES else (401, "UNAUTHENTICATED")}
            if role == "nobody":  # a wrong token
                expected.add((429, "REQUEST_LIMIT_EXCEEDED"))
            assert answer in expected, (method, path, body)
    assert (
        _call(stored, "viewer", "GET", f"{API}/runs/get?run_id={stored.run}").json()["run"]["info"]["status"]
        == "RUNNING"
    )
    champion = _call(stored, "viewer", "GET", f"{API}/registered-models/alias?name={NAME}&alias=champion").json()
    assert champion["model_version"]["version"] == "1"
    file = _call(stored, "viewer", "GET", f"/get-artifact?run_id={stored.run}&path=evaluation.json")
    assert file.text == "ours"


def test_a_viewer_changes_nothing_when_the_route_writes(stored: Stored) -> None:
    for method, path in writes():
        response = _call(stored, "viewer", method, path.replace("**", "x").replace("*", "x"), {})
        assert response.status_code == 403, (method, path)


def test_an_operator_tracks_and_registers_when_it_is_their_own(stored: Stored, tmp_path: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(stored.url)
    client.log_metric(stored.own_run, "loss", 0.5)
    client.log_text(stored.own_run, "hello", "notes/größe 1.txt")
    client.log_param(stored.own_run, "depth", 3)
    own = client.create_logged_model(stored.own_experiment, name="mine", source_run_id=stored.own_run)
    client.finalize_logged_model(own.model_id, "READY")
    client.set_logged_model_tags(own.model_id, {"good": "yes"})
    client.create_registered_model("mine")
    version = client.create_model_version("mine", f"models:/{own.model_id}", stored.own_run, model_id=own.model_id)
    copy = client.copy_model_version(f"models:/{NAME}/1", "copied")
    assert (version.version, copy.source) == ("1", f"models:/{NAME}/1")
    client.set_registered_model_alias("mine", "champion", "1")
    client.delete_registered_model("mine")
    client.delete_run(stored.own_run)
    client.restore_run(stored.own_run)
    assert Path(client.download_artifacts(stored.run, "evaluation.json", str(tmp_path))).read_text() == "ours"


@pytest.mark.parametrize("role", ["admin", TOKEN])
def test_the_project_is_changed_when_an_admin_or_the_panel_does_it(stored: Stored, role: str) -> None:
    path = f"{ARTIFACTS}/{stored.experiment}/{stored.run}/artifacts/{role}.txt"
    assert _call(stored, role, "PUT", path, "x").status_code == 200
    assert _call(stored, role, "DELETE", path).status_code == 200
    body: object = {"run_id": stored.run, "key": "seen", "value": role}
    assert _call(stored, role, "POST", f"{API}/runs/set-tag", body).status_code == 200
    body = {"name": NAME, "alias": "champion", "version": "1"}
    assert _call(stored, role, "POST", f"{API}/registered-models/alias", body).status_code == 200


def test_a_version_is_refused_when_an_operator_could_overwrite_its_model(stored: Stored) -> None:
    """Also for an admin: code that an operator may change later would be what `load_model` runs."""
    client_body = {"name": NAME, "run_id": stored.own_run}
    for source in (
        f"runs:/{stored.own_run}/model",
        f"mlflow-artifacts:/{stored.own_experiment}/{stored.own_run}/artifacts/model",
        "models:/other/1",
        "dummy-source",
    ):
        body = {**client_body, "source": source}
        response = _call(stored, "admin", "POST", f"{API}/model-versions/create", body)
        assert (response.status_code, NAME in response.json()["message"]) == (400, True), source


@pytest.mark.parametrize("body", [b"[1]", b"{", b"1", b'"[]"', b"\xff", b"\xff\xfe{\x00"])
def test_a_write_is_refused_when_its_body_is_no_object(stored: Stored, body: bytes) -> None:
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    response = httpx2.post(f"{stored.url}{API}/runs/create", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_write_is_refused_when_its_body_is_too_large(stored: Stored) -> None:
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    content = io.BytesIO(b" " * (MAX_JSON_BYTES + 1))
    assert httpx2.post(f"{stored.url}{API}/runs/create", content=content, headers=headers).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["%252e", "%25252e", "x/%252e%252e", "%252e%252e/x", "%252fetc/passwd", "file:1/x", "file:%252e", "file:///x"],
)
def test_nothing_is_deleted_when_the_path_names_all_artifacts_or_others(stored: Stored, path: str) -> None:
    for method in ("DELETE", "PUT"):
        response = _call(stored, "admin", method, f"{ARTIFACTS}/{path}")
        assert response.status_code in {400, 404}, response.text
    file = _call(stored, "viewer", "GET", f"/get-artifact?run_id={stored.run}&path=evaluation.json")
    assert file.text == "ours"


def test_body_is_refused_when_it_is_larger_than_any_question(stored: Stored) -> None:
    """Whoever may only look cannot fill the server's memory either."""
    body = b'{"x": "' + b"x" * MAX_JSON_BYTES + b'"}'
    for path in ("runs/search", "experiments/search"):
        response = _call(stored, "viewer", "POST", f"{API}/{path}", content=body)
        assert (response.status_code, response.json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(("free_bytes", "status"), [(MIN_FREE_BYTES + 4, 200), (MIN_FREE_BYTES + 3, 507)])
def test_artifact_is_refused_and_nothing_of_it_kept_when_it_would_fill_the_disk(free_bytes: int, status: int) -> None:
    kept: list[bytes] = []

    async def keep(request: Request) -> Response:
        pieces = [piece async for piece in request.stream()]
        kept.extend(pieces)
        return Response()

    inner = Starlette(routes=[Route("/{path:path}", keep, methods=["PUT"])])
    guard = Guard(inner, Project(NAME), lambda _: Identity("anna", "admin", "token"), lambda: free_bytes)
    answer = TestClient(guard).put(f"{ARTIFACTS}/7/run/artifacts/a.bin", content=b"four")
    assert answer.status_code == status
    assert b"".join(kept) == (b"four" if status == 200 else b"")
