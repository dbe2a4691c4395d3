"""The same rows through every protocol, by the clients that people really use, give the same numbers."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from app.prediction.scoring.lenient_json import decode
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import LARGE_BATCH_ROWS, Model
from app.prediction.scoring.responses import build_responses, encode_batch
from app.prediction.scoring.rows import Rows
from bench.bundles import Built, make_bundle, records
from pipeline.core.manifest import Manifest
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS, Api

pytestmark = pytest.mark.process
N = 40
NAME = "automated-ml-pipeline"
Apis = dict[Task, tuple[Api, Built]]


def _numbers(manifest: Manifest, answers: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
    if manifest.task == "regression":
        return np.array([[answer["prediction"]] for answer in answers])
    return np.array([[answer["probabilities"][label] for label in manifest.classes] for answer in answers])


def _frame(built: Built) -> pd.DataFrame:
    return pd.DataFrame(records(built, N))


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_scikit_learns_when_rows_come_as_json(served: Apis, task: Task) -> None:
    api, built = served[task]
    rows = records(built, N)
    many = api.predict(rows).json()
    single = [api.predict(row).json() for row in rows]
    assert np.abs(_numbers(built.manifest, many) - built.expected[:N]).max() < 2e-5
    without_id = [{key: value for key, value in each.items() if key != "request_id"} for each in many]
    assert without_id == [{key: value for key, value in each.items() if key != "request_id"} for each in single]
    assert all(each["model_version"] == 7 for each in many)


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_the_same_when_so_many_rows_come_that_the_work_is_shared(served: Apis, task: Task) -> None:
    api, built = served[task]
    n = 2 * LARGE_BATCH_ROWS + 1
    rows = (records(built, N) * (n // N + 1))[:n]
    many, few = (_numbers(built.manifest, api.predict(some).json()) for some in (rows, rows[:N]))
    assert (many == np.resize(few, many.shape)).all()


@pytest.mark.parametrize("task", TASKS)
def test_one_row_is_answered_as_in_a_list_when_the_model_takes_only_numbers(tmp_path: Path, task: Task) -> None:
    built = make_bundle(tmp_path, task=task, categorical=False, names=("age", "income", "height"))
    one = LoadedModel.of(Model(built.manifest, built.model, b""), max_rows=100)
    rows = [*records(built, N), {}, {"age": 1, "is_member": True}, {"age": None}]
    parsed = one.reader.body(json.dumps(rows).encode())
    many = build_responses(one.model, parsed, one.model.score(parsed.numeric, None), "an-id")
    for row, expected in zip(rows, many, strict=True):
        response = one.single_row.answer(json.dumps(row).encode(), "an-id")
        assert response is not None
        assert json.loads(response) == expected


def test_labels_are_written_as_they_are_when_they_hold_quotes_and_signs(tmp_path: Path) -> None:
    built = make_bundle(tmp_path, task="multiclass", classes=('say "yes"', "50 %s", "größer"), class_type="string")
    model = Model(built.manifest, built.model, b"")
    rows = Rows(*model.rows([*records(built, 5), {}]))
    scores = model.score(rows.numeric, rows.categorical)
    assert json.loads(encode_batch(model, rows, scores, "an-id")) == build_responses(model, rows, scores, "an-id")


@pytest.mark.parametrize("task", TASKS)
def test_csv_gives_the_same_numbers_when_streamed(served: Apis, task: Task) -> None:
    api, built = served[task]
    frame = _frame(built)
    response = api.client.post(
        "/predict/csv", content=frame.to_csv(index=False).encode(), headers={"Content-Type": "text/csv"}
    )
    assert response.status_code == 200
    rows = list(csv.DictReader(io.StringIO(response.text)))
    expected = api.predict(records(built, N)).json()
    assert [row["error"] for row in rows] == [""] * N
    assert [row["prediction"] for row in rows] == [str(answer["prediction"]) for answer in expected]
    if task != "regression":
        assert [float(row["probability"]) for row in rows] == [answer["probability"] for answer in expected]


@pytest.mark.parametrize("task", TASKS)
def test_mlflow_client_gets_the_same_numbers(served: Apis, task: Task) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    api, built = served[task]
    client = ScoringServerClient("127.0.0.1", api.port)
    client.ping()
    assert client.get_version()
    frame = _frame(built)
    expected = _numbers(built.manifest, api.predict(records(built, N)).json())
    answered = client.invoke(frame, params={"anything": 1})
    assert (_numbers(built.manifest, answered["predictions"]) == expected).all()
    assert len(answered.get_predictions()) == N  # as a DataFrame
    positional = json.loads(frame.to_json(orient="values"))
    columns = {str(name): json.loads(frame[[name]].to_json(orient="values")) for name in frame.columns}
    for body in (
        {"dataframe_records": records(built, N)},
        {"instances": records(built, N)},
        {"instances": positional},
        {"inputs": columns},
        {"inputs": positional},
    ):
        response = api.client.post("/invocations", json=body)
        assert response.status_code == 200, (list(body), response.text)
        assert (_numbers(built.manifest, response.json()["predictions"]) == expected).all()
    as_csv = api.client.post(
        "/invocations", content=frame.to_csv(index=False), headers={"Content-Type": "text/csv; charset=utf-8"}
    )
    assert (_numbers(built.manifest, as_csv.json()["predictions"]) == expected).all()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_triton_client_gets_the_same_numbers(served: Apis, task: Task, binary: bool) -> None:
    import tritonclient.http as triton

    api, built = served[task]
    expected = _numbers(built.manifest, api.predict(records(built, N)).json())
    client = triton.InferenceServerClient(f"127.0.0.1:{api.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "7")
    assert NAME in client.get_server_metadata()["models"]
    metadata = client.get_model_metadata(NAME)
    assert metadata["versions"] == ["7"]
    by_name = []
    for i, feature in enumerate(built.manifest.numeric):
        column = built.rows.numeric[:N, i]
        tensor = triton.InferInput(feature.name, [N], "FP32")
        tensor.set_data_from_numpy(column, binary_data=binary)
        by_name.append(tensor)
    whole = triton.InferInput("numeric", list(built.rows.numeric[:N].shape), "FP32")
    whole.set_data_from_numpy(built.rows.numeric[:N], binary_data=binary)
    cities = triton.InferInput("home city", [N, 1], "BYTES")
    cities.set_data_from_numpy(built.rows.categorical[:N], binary_data=binary)
    name = "prediction" if task == "regression" else "probabilities"
    # It states no type for JSON; for bytes, the header that it sends with them does.
    stated = None if binary else {"Content-Type": "application/json"}
    for inputs in ([*by_name, cities], [whole, cities]):
        result = client.infer(NAME, inputs, model_version="7", request_id="mine", headers=stated)
        assert (result.as_numpy(name).reshape(N, -1).astype(np.float64) == expected).all()
        assert result.get_response()["id"] == "mine"
    as_json, as_bytes = (
        client.infer(
            NAME,
            [whole, cities],
            outputs=[triton.InferRequestedOutput("prediction", binary_data=is_binary)],
            headers=stated,
        )
        for is_binary in (False, True)
    )
    assert "data" in as_json.get_output("prediction")
    assert "data" not in as_bytes.get_output("prediction")
    labels = [each.decode() if isinstance(each, bytes) else each for each in as_bytes.as_numpy("prediction").tolist()]
    assert labels == as_json.as_numpy("prediction").tolist()


def test_triton_client_is_told_why_when_its_inputs_cannot_be_used(served: Apis) -> None:
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

    api, _ = served["binary"]
    client = triton.InferenceServerClient(f"127.0.0.1:{api.port}")
    wrong = triton.InferInput("no such feature", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, dtype=np.float32), binary_data=False)
    stated = {"Content-Type": "application/json"}
    with pytest.raises(InferenceServerException, match="API-12"):
        client.infer(NAME, [wrong], headers=stated)
    with pytest.raises(InferenceServerException, match="API-14"):
        client.infer("another", [wrong], headers=stated)
    with pytest.raises(InferenceServerException, match="API-07"):
        client.infer(NAME, [wrong])


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([], "no inputs"),
        ([{"name": "age"}], "datatype"),
        ([{"name": "age", "datatype": "FP32", "shape": [2], "data": [1]}], "needs 2"),
        ([{"name": "age", "datatype": "FP32", "shape": [-1], "data": []}], "list of integers"),
        ([{"name": "age", "datatype": "BYTES", "shape": [1], "data": ["x"]}], "number type"),
        ([{"name": "age", "datatype": "FP32", "shape": [1], "data": ["x"]}], "not FP32"),
        ([{"name": "age", "datatype": "FP32", "shape": [0], "data": []}], "no rows"),
        ([{"name": "age", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}], "binary data"),
        ([{"name": "numeric", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}], "must be"),
        (2 * [{"name": "age", "datatype": "FP32", "shape": [1], "data": [1]}], "more than once"),
    ],
)
def test_tensors_are_refused_with_the_reason_when_malformed(served: Apis, inputs: Any, why: str) -> None:
    response = served["binary"][0].client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs})
    assert response.status_code == 400
    assert response.json()["id"] == "API-12"
    assert why in response.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": [], "inputs": []},
        {"instances": 1},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": 1, "data": []}},
        {"dataframe_records": {}},
        {"inputs": {"age": [1, 2], "home city": ["x"]}},
        {"inputs": {"age": [1], "home city": "x"}},
        {"instances": [{}], "params": 1},
        {"instances": [{}], "else": 1},
    ],
)
def test_invocations_are_refused_when_not_in_the_protocol(served: Apis, body: Any) -> None:
    response = served["binary"][0].client.post("/invocations", json=body)
    assert response.status_code == 400
    assert response.json()["id"] == "API-11"


def test_nan_means_missing_and_infinity_nothing_when_a_client_writes_numpys_json() -> None:
    assert decode(b'{"a": [NaN, 1]}') == {"a": [None, 1]}
    for text in (b"[Infinity]", b"[1e400, NaN]", b"[-Infinity]", b"{", b"\xff", b"[" * 100_000, b"NaN" * 2):
        with pytest.raises(Exception, match="not valid JSON") as caught:
            decode(text)
        assert getattr(caught.value, "id", "") == "API-02"
