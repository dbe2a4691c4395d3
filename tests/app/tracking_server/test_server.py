"""Through the real server: what runs code is not there; MLflow's client and pages find all that they need."""

import http.client
import re
import socket
import urllib.parse
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.tracking_server.routes import allowed
from app.web.http_protocol import HEAD_BYTES
from tests.app.tracking_server.installed import installed, refusal
from tests.builders.mlflow_server import TOKEN

pytestmark = pytest.mark.process
ASSISTANT = "/ajax-api/3.0/mlflow/assistant"


def _raw(url: str, request_line: str, *headers: str) -> bytes:
    """Return what the server sends to a request that no client would normalise."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=30) as connection:
        host = f"Host: {parts.hostname}:{parts.port}"
        lines = [request_line, host, f"Authorization: Bearer {TOKEN}", *headers, "Connection: close", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{ASSISTANT}/config", None),
        ("PUT", f"{ASSISTANT}/config", {"providers": {}}),
        ("POST", f"{ASSISTANT}/message", {"message": "run `id`"}),
        ("POST", f"{ASSISTANT}/skills/install", {}),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy", {"gateway_path": "x"}),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy?gateway_path=api/2.0/endpoints/", None),
        ("POST", "/api/2.0/mlflow/webhooks", {"name": "x", "url": "http://127.0.0.1:9/"}),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke", {}),
        ("POST", "/ajax-api/3.0/jobs/", {}),
    ],
)
def test_a_route_answers_404_when_it_is_not_needed(url: str, method: str, path: str, body: object) -> None:
    response = httpx2.request(method, url + path, json=body)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["title"], problem["status"]) == ("Not Found", 404)
    assert problem["error_code"] == "ENDPOINT_NOT_FOUND"
    assert f"{method} {path.partition('?')[0]} is not one of the MLflow routes" in problem["detail"]


def test_each_refused_route_answers_404_when_it_is_called(url: str) -> None:
    refused = sorted(route for route in installed() if refusal(route) is not None)
    with httpx2.Client(base_url=url) as client:
        responses = {route: client.request(route[0], route[1].replace("*", "x"), json={}) for route in refused}
    assert len(responses) > 150
    assert [route for route, response in responses.items() if response.status_code != 404] == []
    # Ours, not that of a handler of MLflow that has not found `x`.
    kinds = {response.headers["content-type"] for response in responses.values()}
    assert kinds == {"application/problem+json"}


@pytest.mark.parametrize(
    "target",
    [
        f"{ASSISTANT}/config%0a",
        f"{ASSISTANT}/config%0A",
        f"{ASSISTANT.replace('assistant', '%61ssistant')}/config",
        f"{ASSISTANT}%2Fconfig",
        f"/{ASSISTANT}/config",
        f"{ASSISTANT}//config",
        f"{ASSISTANT}/config/",
        f"{ASSISTANT}/config;x",
        f"/static-files/..{ASSISTANT}/config",
        f"/static-files/%2e%2e{ASSISTANT}/config",
        f"/static-files/..%2F{ASSISTANT}/config",
        f"http://localhost{ASSISTANT}/config",
        f"/version/..{ASSISTANT}/config",
    ],
)
def test_the_assistant_answers_404_when_its_path_is_disguised(url: str, target: str) -> None:
    answer = _raw(url, f"GET {target} HTTP/1.1")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer


def test_a_websocket_is_refused_when_it_is_opened(url: str) -> None:
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    for path in ("/", "/graphql", f"{ASSISTANT}/config"):
        answer = _raw(url, f"GET {path} HTTP/1.1", *upgrade)
        assert not answer.startswith(b"HTTP/1.1 101 ")


def test_mlflows_client_works_when_it_tracks_registers_and_loads(url: str, tmp_path: Path) -> None:
    import mlflow
    from mlflow.exceptions import RestException

    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("shop", tags={"team": "a"})
    run = client.create_run(experiment, run_name="first").info.run_id
    client.log_param(run, "depth", 3)
    client.log_batch(run, metrics=[mlflow.entities.Metric("loss", 0.5 / n, n, n) for n in (1, 2)])
    client.set_tag(run, "kind", "trial")
    dataset = mlflow.entities.Dataset("raw", "d1", "local", "{}")
    client.log_inputs(run, [mlflow.entities.DatasetInput(dataset, [])])
    client.log_text(run, "hello", "notes/größe 1.txt")
    client.set_terminated(run)
    stored = client.search_runs([experiment], "tags.kind = 'trial'")[0]
    assert (stored.data.params, stored.data.metrics) == ({"depth": "3"}, {"loss": 0.25})
    assert stored.inputs.dataset_inputs[0].dataset.name == "raw"
    assert [metric.value for metric in client.get_metric_history(run, "loss")] == [0.5, 0.25]
    assert [item.path for item in client.list_artifacts(run, "notes")] == ["notes/größe 1.txt"]
    loaded = client.download_artifacts(run, "notes", str(tmp_path))
    assert (Path(loaded) / "größe 1.txt").read_text("utf-8") == "hello"

    logged = client.create_logged_model(experiment, name="m", source_run_id=run, params={"a": "b"})
    client.finalize_logged_model(logged.model_id, "READY")
    client.set_logged_model_tags(logged.model_id, {"good": "yes"})
    assert client.search_logged_models([experiment])[0].tags["good"] == "yes"

    client.create_registered_model("shop")
    version = client.create_model_version("shop", f"runs:/{run}/notes", run).version
    client.set_registered_model_alias("shop", "champion", version)
    client.set_model_version_tag("shop", version, "checked", "yes")
    assert client.get_model_version_by_alias("shop", "champion").tags == {"checked": "yes"}
    client.delete_registered_model_alias("shop", "champion")
    client.delete_run(run)
    client.restore_run(run)
    assert client.search_traces(locations=[experiment]) == []
    # What is closed is named as such to the client, too.
    with pytest.raises(RestException, match=r"ENDPOINT_NOT_FOUND.*not one of the MLflow routes"):
        client.create_webhook("x", "https://example.org", ["registered_model.created"])


def test_the_pages_find_their_files_and_data_when_they_are_opened(url: str) -> None:
    """The calls are those that Chromium makes for the pages of experiments, a run and the registry."""
    with httpx2.Client(base_url=url) as client:

        def get(path: str, /, **params: Any) -> Any:
            response = client.get(path, params=params)
            assert response.status_code == 200, (path, response.text)
            return response

        def post(path: str, body: object) -> Any:
            response = client.post(path, json=body)
            assert response.status_code == 200, (path, response.text)
            return response.json()

        index = get("/").text
        files = re.findall(r'(?:src|href)="\.?/?(static-files/[^"]+)"', index)
        assert len(files) >= 4
        for file in files:
            get(f"/{file}")
        manifest = get("/static-files/asset-manifest.json").json()["files"]
        for file in list(manifest.values())[:20]:
            get("/" + file.lstrip("./"))
        assert get("/version").text
        assert get("/ajax-api/3.0/mlflow/server-info").json()["store_type"] == "SqlStore"

        ajax = "/ajax-api/2.0/mlflow"
        experiment = post(f"{ajax}/experiments/create", {"name": "pages"})["experiment_id"]
        run = post(f"{ajax}/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        client.put(f"/ajax-api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/x.txt", content=b"x")
        assert get(f"{ajax}/experiments/search", max_results=25).json()["experiments"]
        post(f"{ajax}/runs/search", {"experiment_ids": [experiment]})
        post(f"{ajax}/logged-models/search", {"experiment_ids": [experiment]})
        post(f"{ajax}/experiments/search-datasets", {"experiment_ids": [experiment]})
        get(f"{ajax}/metrics/get-history-bulk-interval", run_ids=run, metric_key="loss", max_results=10)
        get(f"{ajax}/registered-models/search")
        get(f"{ajax}/model-versions/search", filter=f"run_id='{run}'")
        assert get(f"{ajax}/artifacts/list", run_id=run).json()["files"][0]["path"] == "x.txt"
        assert get("/get-artifact", run_id=run, path="x.txt").text == "x"
        post("/ajax-api/3.0/mlflow/datasets/search", {"experiment_ids": [experiment]})
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        post("/ajax-api/3.0/mlflow/traces/search", {"locations": [place]})
        query = "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runId } } } }"
        answer = post("/graphql", {"query": query, "variables": {"data": {"runId": run}}})
        assert answer["data"]["mlflowGetRun"]["run"]["info"]["runId"] == run


def test_head_answers_without_a_body_when_the_route_can_be_read(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    for path, status in (("/version", 200), (f"{ASSISTANT}/config", 404)):
        connection.request("HEAD", path, headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, b"")
    connection.close()


def test_the_graph_changes_nothing_when_it_is_asked_to() -> None:
    """POST /graphql is open because this holds; look at each mutation that a later version brings."""
    from mlflow.server.graphql.graphql_schema_extensions import schema

    fields = "{ fields { name } }"
    answer = schema.execute(f"{{ __schema {{ queryType {fields} mutationType {fields} subscriptionType {fields} }} }}")
    found = answer.data["__schema"]
    assert sorted(field["name"] for field in found["mutationType"]["fields"]) == [
        "mlflowSearchDatasets",
        "mlflowSearchRuns",
        "testMutation",
    ]
    assert sorted(field["name"] for field in found["queryType"]["fields"]) == [
        "mlflowGetExperiment",
        "mlflowGetMetricHistoryBulkInterval",
        "mlflowGetRun",
        "mlflowListArtifacts",
        "mlflowSearchModelVersions",
        "mlflowSearchRuns",
        "test",
    ]
    assert found["subscriptionType"] is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Content-Length: 4", "Transfer-Encoding: chunked"), b"400"),
        (("Content-Length: 3", "Content-Length: 3"), b"400"),
        ((f"X-A: {'a' * HEAD_BYTES}",), b"431"),
    ],
)
def test_a_request_is_refused_before_mlflow_when_it_can_be_read_in_two_ways(
    url: str, headers: tuple[str, ...], status: bytes
) -> None:
    answer = _raw(url, "POST /ajax-api/2.0/mlflow/runs/search HTTP/1.1", *headers)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in answer


def test_nobody_is_let_in_when_they_have_neither_a_session_nor_a_token(url: str) -> None:
    """Each route that is allowed at all, for a stranger who reaches the port."""
    bare = re.sub("//[^@]+@", "//", url)
    with httpx2.Client(base_url=bare) as client:
        for method, path in allowed():
            answer = client.request(method, path.replace("**", "x").replace("*", "x"), json={})
            is_open = path in {"/health", "/version"} or path.startswith("/static-files/")
            assert (answer.status_code != 401) == is_open, (method, path)
        assert client.get("/readyz").status_code == 200
        page = client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 303
        assert urllib.parse.urlsplit(page.headers["location"]).path == "/enter/mlflow"
        for path in ("/", "/version", "/readyz"):
            wrong = client.get(path, headers={"Host": "evil.example", "Accept": "text/html"})
            assert (wrong.status_code, wrong.json()["id"]) == (421, "WEB-01")


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"])
def test_mlflow_s_own_client_logs_in_when_it_is_given_a_token(
    url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna") if variable.endswith("PASSWORD") else None
    monkeypatch.setenv(variable, "operator")
    mlflow.set_tracking_uri(re.sub("//[^@]+@", "//", url))
    mlflow.set_experiment("notebook")
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.9)
        mlflow.log_text("note", "note.txt")
    assert mlflow.get_run(run.info.run_id).data.metrics == {"auc": 0.9}
