"""What every POST has to state, and what is refused because a browser sent it for a page of another site."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from app.prediction.http.content_types import ACCEPTED
from app.prediction.http.request_guard import RequestGuard
from app.prediction.http.request_metrics import route_label
from app.prediction.main import create_app
from app.prediction.protocols import csv_table, explain_routes, invocations, open_inference
from app.prediction.settings import ApiSettings
from bench.bundles import Built, make_bundle
from pipeline.core.params import Task
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import Api, running

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]
INFER = "/v2/models/automated-ml-pipeline/infer"
AGE: dict[str, Any] = {"name": "age", "datatype": "FP32", "shape": [1], "data": [40]}
# A request to each POST, by its path and the type that it states.
BODIES = {
    ("/predict", "application/json"): b'{"age": 40}',
    ("/predict/csv", "text/csv"): b"age\n40\n",
    ("/explain", "application/json"): b'{"age": 40}',
    ("/curve", "application/json"): b'{"record": {"age": 40}, "feature": "age"}',
    ("/invocations", "application/json"): b'{"instances": [{"age": 40}]}',
    ("/invocations", "text/csv"): b"age\n40\n",
    (INFER, "application/json"): b'{"inputs": [{"name": "age", "datatype": "FP32", "shape": [1], "data": [40]}]}',
}
# What a browser sends for any page without a question, and some types that are not what they seem.
FOREIGN_TYPES = [
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "text/plain; application/json",
    "application/jsonp",
    ";application/json",
]
OWN = "http://127.0.0.1"


def post(api: Api, path: str, body: bytes, content_type: str, **headers: str) -> httpx2.Response:
    stated = {"Content-Type": content_type} if content_type else {}
    return api.client.post(path, content=body, headers={**stated, **headers})


def n_live_rows(api: Api) -> int:
    n: int = api.client.get("/stats").json()["n"]
    return n


@pytest.mark.parametrize(("path", "kind"), BODIES)
@pytest.mark.parametrize("suffix", ["", "; charset=utf-8", ';charset="UTF-8"', ";"])
def test_a_body_is_read_when_it_states_its_type(served: Served, path: str, kind: str, suffix: str) -> None:
    response = post(served["binary"][0], path, BODIES[path, kind], kind.upper() + suffix)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", dict.fromkeys(path for path, _ in BODIES))
@pytest.mark.parametrize("stated", FOREIGN_TYPES)
def test_a_body_is_refused_and_not_counted_when_it_states_no_type_or_a_pages(
    served: Served, path: str, stated: str
) -> None:
    api, _ = served["binary"]
    before = n_live_rows(api)
    for body in (body for (other, _), body in BODIES.items() if other == path):
        response = post(api, path, body, stated)
        assert (response.status_code, response.json()["id"]) == (415, "API-07"), response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert ("error" in response.json()) is path.startswith("/v2/")
    assert n_live_rows(api) == before


@pytest.mark.parametrize(("path", "kind"), [("/predict", "text/csv"), ("/predict/csv", "application/json")])
def test_a_body_is_refused_when_it_is_of_the_type_of_another_path(served: Served, path: str, kind: str) -> None:
    assert post(served["binary"][0], path, b"age\n40\n", kind).status_code == 415


@pytest.mark.parametrize("stated", ["", "application/octet-stream"])
def test_tensors_are_read_as_bytes_when_a_header_names_where_they_begin(served: Served, stated: str) -> None:
    api, _ = served["binary"]
    json = BODIES[INFER, "application/json"]
    assert post(api, INFER, json, stated, **{"Inference-Header-Content-Length": str(len(json))}).status_code == 200


def test_every_post_has_its_types_when_all_routes_are_walked() -> None:
    modules = (csv_table, explain_routes, invocations, open_inference)
    routes = [route for module in modules for route in module.router.routes if isinstance(route, APIRoute)]
    paths = {route.path for route in routes if "POST" in (route.methods or ())}
    assert {"/predict/csv", "/v2/models/{name}/versions/{version}/infer"} < paths
    assert {route_label(path) for path in paths} | {"/predict"} == set(ACCEPTED)


@pytest.mark.parametrize("path", dict.fromkeys(path for path, _ in BODIES))
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8080"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": OWN},  # another port of this machine
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Origin": "http://evil.example/127.0.0.1:{port}"},
    ],
    ids=str,
)
def test_a_request_is_refused_and_not_counted_when_a_page_of_another_site_sent_it(
    served: Served, path: str, headers: dict[str, str]
) -> None:
    api, _ = served["binary"]
    before = n_live_rows(api)
    sent = {name: value.format(port=api.port) for name, value in headers.items()}
    for (_, kind), body in ((key, body) for key, body in BODIES.items() if key[0] == path):
        response = post(api, path, body, kind, **sent)
        assert (response.status_code, response.json()["id"]) == (403, "API-18"), response.text
    assert n_live_rows(api) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": OWN + ":{port}"},
        {"Origin": OWN.upper() + ":{port}"},
        {"Origin": "https://api.example.localhost", "Host": "api.example.localhost"},  # behind a proxy
    ],
    ids=str,
)
@pytest.mark.parametrize(("path", "kind"), BODIES)
def test_a_request_is_answered_when_a_program_or_our_own_page_sent_it(
    served: Served, path: str, kind: str, headers: dict[str, str]
) -> None:
    api, _ = served["binary"]
    sent = {name: value.format(port=api.port) for name, value in headers.items()}
    assert post(api, path, BODIES[path, kind], kind, **sent).status_code == 200


def test_a_page_without_an_origin_is_refused_when_the_request_names_no_host_either() -> None:
    async def call() -> list[int]:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}"}

        headers = [(b"content-type", b"application/json"), (b"origin", b"null")]
        scope = {"type": "http", "method": "POST", "path": "/predict", "scheme": "http", "headers": headers}
        await create_app(ApiSettings())(scope, receive, send)
        return statuses

    assert asyncio.run(call()) == [403]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_reading_is_left_to_the_browser_when_another_site_links_here(served: Served, site: str) -> None:
    api, _ = served["binary"]
    for path in ("/docs", "/openapi.json", "/readyz", "/model"):
        response = api.client.get(path, headers={"Sec-Fetch-Site": site, "Origin": "http://evil.example"})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Yield an API with the key s3cret."""
    models: Path = tmp_path_factory.mktemp("guarded") / "models"
    make_bundle(models)
    with running(models, API_KEY="s3cret") as api:
        api.wait_for(1)
        yield api


def test_the_key_alone_decides_when_there_is_one(locked: Api) -> None:
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert locked.predict({}, **foreign, Authorization="Bearer s3cret").status_code == 200
    assert locked.predict({}, **foreign).json()["id"] == "API-08"
    assert post(locked, "/predict", b"{}", "text/plain", **{"X-API-Key": "s3cret"}).json()["id"] == "API-07"


def test_wrong_keys_are_counted_and_logged_while_the_right_one_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    guard = RequestGuard(ApiSettings(api_key="right"))
    scope = {"type": "http", "method": "GET", "path": "/stats", "client": ("192.0.2.7", 1)}

    def refused(headers: dict[bytes, bytes]) -> str:
        with pytest.raises(ProblemError) as caught:
            guard.check(scope, headers)
        return caught.value.id

    wrong = [refused({b"x-api-key": b"guess %d" % n}) for n in range(25)]
    assert wrong == ["API-08"] * 20 + ["AUTH-15"] * 5
    assert caplog.messages == ["action=token.use result=refused address=192.0.2.7"] * 20
    assert refused({}) == "API-08"
    guard.check(scope, {b"x-api-key": b"right"})
