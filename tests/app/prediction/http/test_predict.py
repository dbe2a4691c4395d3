"""The responses of `/predict`, and its refusals."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.bundles import Built, make_bundle, records
from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS, Api, StartApi, publish_odd
from tests.app.prediction.odd_graphs import infinite_above

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]


def test_missing_features_are_filled_in_and_named_when_left_out_or_null(served: Served) -> None:
    api, _ = served["binary"]
    left_out = api.predict({"is_member": True, "home city": "Paris", "Income (EUR)": 40, 'größe "cm"': 50}).json()
    as_null = api.predict(
        {"age": None, "is_member": True, "home city": "Paris", "Income (EUR)": 40, 'größe "cm"': 50}
    ).json()
    assert left_out["imputed"] == as_null["imputed"] == ["age"]
    assert left_out["probability"] == as_null["probability"]
    assert len(api.predict({}).json()["imputed"]) == 5


def test_columns_that_training_left_out_are_not_read_when_a_row_of_the_table_is_sent(served: Served) -> None:
    api, _ = served["binary"]
    row = {"age": 30, "home city": "Berlin"}
    whole = api.predict({**row, "customer id": "A-17", "outcome": 1}).json()
    assert whole["probability"] == api.predict(row).json()["probability"]


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        ({"agee": 1}, "agee", "age, Income (EUR)"),
        ({"age": "old"}, "age", "finite number"),
        ({"age": True}, "age", "finite number"),
        ({"age": 10**400}, "age", "finite number"),
        ({"age": 1e39}, "age", "finite number"),
        ({"is_member": "maybe"}, "is_member", "true, false"),
        ({"home city": ["Paris"]}, "home city", "Paris"),
        ({"home city": "x" * 2000}, "home city", "text"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_when_refused(
    served: Served, record: dict[str, Any], field: str, reason: str
) -> None:
    api, _ = served["binary"]
    response = api.predict([{}, record])
    problem = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["id"] == "API-03"
    assert problem["errors"][0]["row"] == 1
    assert problem["errors"][0]["field"] == field
    assert reason in problem["errors"][0]["problem"]
    assert api.predict(problem["example"]).status_code == 200


@pytest.mark.parametrize("plain", [True, False])
def test_the_fast_way_and_the_careful_way_agree_when_names_are_plain_or_not(
    tmp_path: Path, start_api: StartApi, plain: bool
) -> None:
    # A name with a quote in it keeps the fast decoder out.
    names = ("a", "b", "c") if plain else ("a", "b", 'c"')
    built = make_bundle(tmp_path / "models", names=names)
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for row in records(built, 5):
            single, listed = api.predict(row).json(), api.predict([row]).json()[0]
            del single["request_id"], listed["request_id"]
            assert single == listed
        assert api.predict({names[2]: 1e39}).json()["id"] == "API-03"
        assert api.predict({names[2]: FLOAT32_MAX}).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "id"),
    [
        (b"", "application/json", 400, "API-02"),
        (b"{", "application/json", 400, "API-02"),
        (b"[]", "application/json", 400, "API-02"),
        (b'{"age": NaN}', "application/json", 422, "API-03"),
        (b'{"age": Infinity}', "application/json", 422, "API-03"),
        (b'{"age": 1e400}', "application/json", 422, "API-03"),
        (b"\xff\xfe{}", "application/json", 400, "API-02"),
        (b"[" * 50_000, "application/json", 400, "API-02"),
        (b"1", "application/json", 422, "API-03"),
        (b'{"agee": null}', "application/json", 422, "API-03"),
        (b"{}", "text/plain", 415, "API-07"),
        (b"{}", "application/json; charset=latin-1", 415, "API-07"),
        (b"age=1", "application/x-www-form-urlencoded", 415, "API-07"),
        (b"[" + b"{}," * 200_000 + b"{}]", "application/json", 413, "API-04"),
        (b" " * (64 * 2**20 + 1), "application/json", 413, "API-04"),
    ],
)
def test_a_malformed_request_is_refused_when_sent(served: Served, body: bytes, kind: str, status: int, id: str) -> None:
    api, _ = served["binary"]
    response = api.client.post("/predict", content=body, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["id"]) == (status, id)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["age", "home city", "x", "inputs", "instances", "record", "feature", "name", "shape", "data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PATHS = ("/predict", "/explain", "/curve", "/invocations", "/v2/models/automated-ml-pipeline/infer")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=JSON, task=st.sampled_from(TASKS))
def test_no_request_is_answered_5xx_when_its_json_is_anything(
    served: Served, path: str, body: object, task: Task
) -> None:
    response = served[task][0].client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code < 500, (path, body, response.text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from((*PATHS, "/predict/csv")),
    body=st.binary(max_size=200),
    kind=st.sampled_from(["application/json", "text/csv", "", "a/b", "text/csv; charset=x"]),
)
def test_no_request_is_answered_5xx_when_its_bytes_are_anything(
    served: Served, path: str, body: bytes, kind: str
) -> None:
    response = served["binary"][0].client.post(path, content=body, headers={"Content-Type": kind})
    assert response.status_code < 500, (path, body, response.text)


def test_labels_are_written_as_in_the_table_when_they_are_booleans_or_text(tmp_path: Path, start_api: StartApi) -> None:
    make_bundle(tmp_path / "models", classes=("false", "true"), class_type="boolean", categorical=False, boolean=False)
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        answer = api.predict({}).json()
        assert answer["prediction"] in {True, False}
        assert isinstance(answer["prediction"], bool)
        assert set(answer["probabilities"]) == {"false", "true"}


def test_the_request_id_comes_back_when_it_is_harmless(served: Served) -> None:
    api, _ = served["binary"]
    accepted = api.predict({}, **{"X-Request-Id": "order-17"})
    assert accepted.json()["request_id"] == accepted.headers["x-request-id"] == "order-17"
    replaced = api.predict({}, **{"X-Request-Id": "a b<script>"})
    assert replaced.headers["x-request-id"] == replaced.json()["request_id"] != "a b<script>"
    refused = api.predict({"x": 1}, **{"X-Request-Id": "order-18"})
    assert refused.json()["request_id"] == refused.headers["x-request-id"] == "order-18"
    assert refused.headers.get_list("x-request-id") == ["order-18"]


def test_nothing_is_predicted_without_the_key_when_one_is_set(tmp_path: Path, start_api: StartApi) -> None:
    make_bundle(tmp_path / "models")
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    with start_api(tmp_path / "models", API_KEY_FILE=str(key)) as api:
        api.wait_for(1)
        assert api.predict({}).json()["id"] == "API-08"
        assert api.client.post("/invocations", json={}).status_code == 401
        assert api.predict({}, Authorization="Bearer s3cret").status_code == 200
        assert api.predict({}, **{"X-API-Key": "s3cret"}).status_code == 200


def test_there_is_no_model_yet_when_no_run_has_ended(tmp_path: Path, start_api: StartApi) -> None:
    with start_api(tmp_path / "models", PANEL_URL="http://127.0.0.1:8080") as api:
        assert api.client.get("/livez").status_code == 200
        assert api.client.get("/readyz").status_code == 503
        assert api.client.get("/v2/health/ready").status_code == 503
        response = api.predict({})
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["id"] == "API-05"
        assert response.json()["run_url"] == "http://127.0.0.1:8080/runs"
        assert api.client.get("/docs").status_code == api.client.get("/openapi.json").status_code == 200
        assert api.client.get("/nothing").json()["id"] == "API-10"
        make_bundle(tmp_path / "models", version=3)
        api.wait_for(3, timeout_s=5)
        assert api.predict({}).json()["model_version"] == 3


def test_rows_with_errors_are_named_when_a_table_has_some(served: Served) -> None:
    api, _ = served["binary"]
    table = 'note,age,home city\na,40,Paris\n"b,\nc",old,Berlin\n\nd,,\ne,1,2,3\n'
    lines = api.client.post("/predict/csv", content=table, headers={"Content-Type": "text/csv"}).text
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert [row["note"] for row in rows] == ["a", "b,\nc", "d", "e"]
    assert [bool(row["prediction"]) for row in rows] == [True, False, True, False]
    assert "'old' is not a number" in rows[1]["error"]
    assert "4 cells" in rows[3]["error"]
    refused = api.client.post("/predict/csv", content="x,y\n1,2\n", headers={"Content-Type": "text/csv"})
    assert (refused.status_code, refused.json()["id"]) == (400, "API-09")


def test_an_answer_that_is_no_number_is_refused_when_values_are_too_large(tmp_path: Path, start_api: StartApi) -> None:
    publish_odd(tmp_path / "models", infinite_above)
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for path, body in (
            ("/predict", {"age": 3.3e38}),
            ("/predict", [{}, {"age": 3.3e38}]),
            ("/invocations", {"instances": [{"age": 3.3e38}]}),
            ("/explain", {"age": 3.3e38}),
            ("/curve", {"record": {"age": 3.3e38}, "feature": "age"}),
        ):
            response = api.client.post(path, json=body)
            assert (response.status_code, response.json()["id"]) == (422, "API-15"), (path, response.text)
        assert api.client.get("/stats").json()["n"] == 0
        assert api.predict({"age": 40}).status_code == 200
