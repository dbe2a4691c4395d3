"""The checks of every request: its method, its key, its coding, its end; and each is counted."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.bundles import Built, make_bundle
from bench.wait import until
from pipeline.core.params import Task
from tests.app.prediction.conftest import Api, StartApi, publish_odd, running
from tests.app.prediction.odd_graphs import failing_above

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]
INFER = "/v2/models/automated-ml-pipeline/infer"


def _counted(api: Api) -> dict[tuple[str, int], int]:
    """Requests by route and status."""
    samples = re.findall(
        r'^api_requests_total\{route="([^"]+)",status="(\d+)"\} (\S+)$', api.client.get("/metrics").text, re.MULTILINE
    )
    return {(route, int(status)): int(float(count)) for route, status, count in samples}


def test_requests_are_answered_and_counted_as_5xx_when_the_model_fails(tmp_path: Path, start_api: StartApi) -> None:
    publish_odd(tmp_path / "models", failing_above)
    tensor = {"name": "age", "datatype": "FP32", "shape": [1], "data": [3.3e38]}
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for path, body in (
            ("/predict", {"age": 3.3e38}),
            ("/predict", [{"age": 3.3e38}] * 3000),
            ("/explain", {"age": 3.3e38}),
            ("/invocations", {"instances": [{"age": 3.3e38}]}),
            (INFER, {"inputs": [tensor]}),
        ):
            response = api.client.post(path, json=body, headers={"X-Request-Id": "mine"})
            assert (response.status_code, response.json()["id"]) == (500, "API-16")
            assert response.headers["x-request-id"] == response.json()["request_id"] == "mine"
            assert response.headers["content-type"] == "application/problem+json"
            api.client.post(path, json=body, headers={"X-Live-Data": "no"})
        assert "api_prediction_errors_total 4.0" in api.client.get("/metrics").text
        counted = _counted(api)
        assert counted["/predict", 500] == 4
        assert counted["/explain", 500] == counted["/invocations", 500] == counted["/v2/infer", 500] == 2
        assert api.predict({"age": 40}).status_code == 200


def test_requests_are_turned_away_and_the_model_is_not_blamed_when_others_take_all_memory(
    tmp_path: Path, start_api: StartApi
) -> None:
    """A flood of large bodies must not look like a model that fails: a server error of it takes a new model back."""
    make_bundle(tmp_path / "models")
    large = b"[" + b'{"age": 40},' * 3_000_000 + b"{}]"
    with start_api(tmp_path / "models", API_MAX_ROWS="10000000") as api:
        api.wait_for(1)
        process = psutil.Process(api.process.pid)
        (data,) = re.findall(r"VmData:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text("utf-8"))
        process.rlimit(psutil.RLIMIT_DATA, (1024 * int(data) + 150 * 2**20,) * 2)
        for path in ("/predict", "/explain", "/invocations"):
            body = b'{"instances": ' + large + b"}" if path == "/invocations" else large
            response = api.client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["id"]) == (503, "API-20"), path
            assert response.headers["retry-after"]
        assert api.predict({"age": 40}).status_code == 200
        assert not [key for key in _counted(api) if key[1] == 500]


def test_nothing_is_predicted_when_the_client_leaves_in_the_middle_of_its_body(
    tmp_path: Path, start_api: StartApi
) -> None:
    make_bundle(tmp_path / "models")
    bodies = {"/predict": b"{}", "/invocations": b'{"instances":[{}]}', "/explain": b"{}", "/predict/csv": b"age\n1\n2"}
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for path, body in bodies.items():
            with socket.create_connection(("127.0.0.1", api.port)) as connection:
                kind = "text/csv" if path.endswith("csv") else "application/json"
                head = f"POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n"
                connection.sendall(head.encode() + body)

        def counted_requests() -> set[tuple[str, int]]:
            counted = {key for key in _counted(api) if key[0] in bodies}
            assert len(counted) >= len(bodies), counted
            return counted

        counted = until(counted_requests, what="all are counted", not_yet=(AssertionError,))
        assert counted == {(path, 499) for path in bodies}
        assert "api_rows_total 0.0" in api.client.get("/metrics").text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/model", "/metrics", "/docs", "/openapi.json"])
def test_head_is_answered_as_get_without_a_body(served: Served, path: str) -> None:
    api, _ = served["binary"]
    response = api.client.head(path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("HEAD", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("POST", "/livez", "GET"),
    ],
)
def test_the_allowed_method_is_named_when_another_is_used(served: Served, method: str, path: str, allowed: str) -> None:
    api, _ = served["binary"]
    response = api.client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert "access-control-allow-origin" not in response.headers
    assert method == "HEAD" or response.json()["id"] == "API-10"


@pytest.mark.parametrize("path", ["/predict", "/predict/csv", "/invocations", INFER])
def test_a_compressed_body_is_refused_with_the_reason(served: Served, path: str) -> None:
    api, _ = served["binary"]
    response = api.client.post(path, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["id"]) == (415, "API-07")
    assert "gzip" in response.json()["why"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([("X-API-Key", "other")], 401),
        ([("Authorization", "s3cret")], 401),
        ([("Authorization", "Bearer s3cret")], 200),
        ([("Authorization", "bearer s3cret")], 200),
        # A proxy in between may have a login of its own.
        ([("X-API-Key", "s3cret"), ("Authorization", "Basic YTpi")], 200),
        ([("X-API-Key", "s3cret"), ("Authorization", "Bearer theirs")], 200),
        ([("Authorization", "Bearer theirs"), ("X-API-Key", "s3cret")], 200),
    ],
)
def test_the_key_counts_whichever_header_brings_it(locked: Api, headers: list[tuple[str, str]], status: int) -> None:
    assert locked.client.post("/predict", json={}, headers=headers).status_code == status


def test_data_need_the_key_but_what_describes_and_what_watches_does_not(locked: Api) -> None:
    key = {"X-API-Key": "s3cret"}
    for path in ("/model", "/stats"):
        assert [locked.client.get(path).status_code, locked.client.head(path).status_code] == [401, 401]
        assert locked.client.get(path, headers=key).status_code == 200
    for path in ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/v2/health/ready"):
        assert locked.client.get(path).status_code == 200


def test_data_and_predictions_are_not_read_by_a_page_that_named_us_after_itself(
    tmp_path: Path, start_api: StartApi
) -> None:
    make_bundle(tmp_path / "models")
    strange = {"Host": f"evil.example:{8000}"}
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for answer in (
            api.client.get("/model", headers=strange),
            api.client.get("/stats", headers=strange),
            api.client.post("/predict", json={}, headers=strange),
            api.client.post("/explain", json={}, headers=strange),
        ):
            assert (answer.status_code, answer.json()["id"]) == (421, "API-17")
        assert api.client.get("/readyz", headers=strange).status_code == 200
        assert api.predict({}).status_code == 200
    with start_api(tmp_path / "models", API_KEY="s3cret") as api:
        api.wait_for(1)
        assert api.predict({}, Authorization="Bearer s3cret", **strange).status_code == 200


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Yield an API with the key s3cret."""
    models = tmp_path_factory.mktemp("locked") / "models"
    make_bundle(models)
    with running(models, API_KEY="s3cret") as api:
        api.wait_for(1)
        yield api
