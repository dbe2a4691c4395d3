"""Bodies that are JSON by the letter, or nearly, and still no rows: refused soon, with a reason, never 5xx."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from bench.bundles import CATEGORICAL_NAME, Built, make_bundle
from pipeline.core.params import Task
from tests.app.prediction.conftest import Api, StartApi

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]
INFER = "/v2/models/automated-ml-pipeline/infer"
AGE: dict[str, Any] = {"name": "age", "datatype": "FP32", "shape": [1], "data": [1]}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"\ud800": 1}),
        ("/predict", {CATEGORICAL_NAME: "\udfff"}),
        ("/predict", [{CATEGORICAL_NAME: "a\ud800b"}]),
        ("/explain", {CATEGORICAL_NAME: "\ud800"}),
        ("/invocations", {"instances": [{CATEGORICAL_NAME: "\ud800"}]}),
        (INFER, {"id": "\ud800", "inputs": [AGE]}),
    ],
)
def test_text_that_is_half_a_character_is_no_json_when_sent(served: Served, path: str, body: object) -> None:
    api, _ = served["binary"]
    response = api.client.post(path, content=json.dumps(body), headers=JSON)
    assert (response.status_code, response.json()["id"]) == (400, "API-02")


def test_a_whole_character_is_text_when_it_is_written_as_two_escapes(served: Served) -> None:
    api, _ = served["binary"]
    assert api.client.post("/predict", content=rb'{"home city": "\ud83d\ude00"}', headers=JSON).status_code == 200
    refused = api.client.post("/predict", content=rb'{"\ud83d\ude00": NaN, "age": NaN}', headers=JSON)
    assert refused.json()["errors"][0]["field"] == "\U0001f600"


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_only_utf_8_is_read_with_or_without_its_mark(served: Served, path: str) -> None:
    api, _ = served["binary"]
    text = '{"age": 30}'
    statuses = [
        api.client.post(path, content=text.encode(coding), headers=JSON).status_code
        for coding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be")
    ]
    assert statuses == [200, 200, 400, 400, 400]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1234567"),
        (75001, "75001"),
        (75001.0, "75001"),
        (0.1, "0.1"),
        pytest.param(10**400, "1" + 400 * "0", id="huge"),
        (True, "true"),
    ],
)
def test_a_number_is_the_text_that_the_table_has_when_its_feature_is_text(
    tmp_path: Path, value: float, text: str
) -> None:
    built = make_bundle(tmp_path)
    rows = RowReader(Model(built.manifest, built.model, b""), 10).records([{CATEGORICAL_NAME: value}])
    assert rows.categorical is not None
    assert rows.categorical.tolist() == [[text]]


@pytest.mark.parametrize("value", [37, 0.5, -1, "maybe"])
def test_yes_or_no_is_no_other_number_in_any_protocol(served: Served, value: object) -> None:
    api, _ = served["binary"]
    bodies = {"/predict": {"is_member": value}, "/invocations": {"instances": [{"is_member": value}]}}
    tensor = {"name": "is_member", "datatype": "FP32", "shape": [1], "data": [value]}
    for path, body in {**bodies, INFER: {"inputs": [tensor]}}.items():
        response = api.client.post(path, json=body)
        assert response.status_code in {400, 422}, (path, response.text)
    table = f"is_member\n{value}\n"
    answer = api.client.post("/predict/csv", content=table, headers={"Content-Type": "text/csv"}).text
    assert "is not yes or no" in answer
    expected = api.predict({"is_member": True}).json()["probability"]
    for yes in (1, 1.0):
        assert api.predict({"is_member": yes}).json()["probability"] == expected


@pytest.mark.parametrize(
    "request_body",
    [
        {"inputs": [{**AGE, "shape": [2**31 - 1] * 50_000}]},
        {"inputs": [{**AGE, "shape": [1] * 9}]},
        {"inputs": [AGE], "outputs": [{"name": "probabilities"}] * 100_000},
    ],
    ids=["huge", "deep", "repeated"],
)
def test_shapes_and_outputs_are_refused_soon_when_they_would_grow_without_end(
    served: Served, request_body: dict[str, Any]
) -> None:
    api, _ = served["binary"]
    started = time.perf_counter()
    response = api.client.post(INFER, json=request_body)
    assert (response.status_code, response.json()["id"]) == (400, "API-12")
    assert time.perf_counter() - started < 3  # milliseconds; the product of such a shape takes 10 s


def test_a_misspelt_name_is_not_sent_back_whole_when_it_is_endless(served: Served) -> None:
    api, _ = served["binary"]
    response = api.predict({"x" * 1_000_000: 1})
    assert response.status_code == 422
    assert len(response.content) < 5_000


def test_values_are_rows_when_the_model_has_one_feature(tmp_path: Path, start_api: StartApi) -> None:
    make_bundle(tmp_path / "models", n_numeric=1, boolean=False, categorical=False)
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        expected = api.predict([{"age": 30}, {"age": 60}, {}]).json()
        for body in (
            {"instances": [30, 60, None]},
            {"inputs": [[30], [60], [None]]},
            {"inputs": {"age": [30, 60, None]}},
        ):
            predictions = api.client.post("/invocations", json=body).json()["predictions"]
            assert [each["probability"] for each in predictions] == [each["probability"] for each in expected]
        table = 'age\n30\n60\n""\n'  # as pandas writes what is missing in the only column
        answer = api.client.post("/predict/csv", content=table, headers={"Content-Type": "text/csv"}).text
        assert len(answer.splitlines()) == 4
        column = {"name": "anything", "datatype": "FP64", "shape": [3, 1], "data": [30, 60, None]}
        outputs = api.client.post(INFER, json={"inputs": [column]}).json()["outputs"]
        assert outputs[1]["data"] == [each["probability"] for each in expected]
