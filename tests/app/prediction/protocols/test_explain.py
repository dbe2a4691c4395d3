"""Contributions to a score, and the score as a function of one feature."""

import itertools
import time
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.prediction.protocols.explain import curve, explain
from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from bench.bundles import Built, make_bundle, records
from pipeline.core.params import Task
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import TASKS, Api

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]


def _model(built: Built) -> Model:
    return Model(built.manifest, built.model, b"")


def _explained(model: Model, record: dict[str, Any]) -> dict[str, Any]:
    rows = RowReader(model, 10).records([record], single=True)
    return explain(model, rows, "id").model_dump(by_alias=True)


@pytest.mark.parametrize("task", TASKS)
def test_contributions_lead_from_the_typical_row_to_the_score(served: Served, task: Task) -> None:
    api, built = served[task]
    for record in records(built, 5):
        answer = api.client.post("/explain", json=record).json()
        total = sum(part["contribution"] for part in answer["contributions"])
        assert answer["base"] + total == pytest.approx(answer["score"], abs=1e-6, rel=1e-6)
        predicted = api.predict(record).json()
        assert answer["score"] == predicted.get("probability", predicted["prediction"])
        assert answer.get("class", predicted["prediction"]) == predicted["prediction"]
        sizes = [abs(part["contribution"]) for part in answer["contributions"]]
        assert sizes == sorted(sizes, reverse=True)
        assert {part["feature"]: part["value"] for part in answer["contributions"]}.keys() == record.keys()


def test_contributions_are_shapley_values_when_computed_by_the_definition(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    model = _model(built)
    record = next(each for each in records(built, 20) if None not in each.values())
    answer = _explained(model, record)
    typical = {part["feature"]: part["typical"] for part in answer["contributions"]}

    def score(names: tuple[str, ...]) -> float:
        mixed = {**typical, **{name: record[name] for name in names}}
        return float(model.score(*model.rows([mixed]))[0, 1])

    for part in answer["contributions"]:
        others = [name for name in record if name != part["feature"]]
        n = len(others) + 1
        expected = sum(
            factorial(k) * factorial(n - k - 1) / factorial(n) * (score((*inside, part["feature"])) - score(inside))
            for k in range(n)
            for inside in itertools.combinations(others, k)
        )
        assert part["contribution"] == pytest.approx(expected, abs=1e-5)


def test_many_features_are_explained_alike_each_time_and_soon(tmp_path: Path) -> None:
    built = make_bundle(tmp_path, n_numeric=30, n_trees=100)
    model = _model(built)
    (record,) = records(built, 1)
    first = _explained(model, record)
    start = time.perf_counter()
    assert _explained(model, record) == first
    assert time.perf_counter() - start < 1  # tens of milliseconds on an idle machine
    assert first["method"] == "sampled"
    assert first["base"] + sum(part["contribution"] for part in first["contributions"]) == pytest.approx(
        first["score"], abs=1e-6
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_curve_is_what_predict_says_at_each_value(served: Served, task: Task) -> None:
    api, built = served[task]
    (record,) = records(built, 1, start=2)
    predicted = api.predict(record).json()
    for feature in built.manifest.features:
        answer = api.client.post("/curve", json={"record": record, "feature": feature.name}).json()
        values = [point["value"] for point in answer["points"]]
        expected = api.predict([{**record, feature.name: value} for value in values]).json()
        assert [point["prediction"] for point in answer["points"]] == [each["prediction"] for each in expected]
        if task == "multiclass":
            shown = [each["probabilities"][predicted["prediction"]] for each in expected]
        else:
            shown = [each.get("probability", each["prediction"]) for each in expected]
        assert [point["score"] for point in answer["points"]] == shown
        if feature.kind == "numeric":
            assert values == sorted(values)
            assert 40 <= len(values) <= 51
            assert record[feature.name] is None or np.float32(record[feature.name]) in np.array(
                values, dtype=np.float32
            )


def test_what_cannot_be_explained_is_refused_with_the_reason(served: Served, tmp_path: Path) -> None:
    api, built = served["binary"]
    for path, body in (
        ("/explain", [{}, {}]),
        ("/curve", {"record": {}, "feature": "nothing"}),
        ("/curve", {"record": {}}),
        ("/curve", [1]),
    ):
        response = api.client.post(path, json=body)
        assert (response.status_code, response.json()["id"]) == (422, "API-13")
    assert "age" in api.client.post("/curve", json={"record": {}, "feature": "nothing"}).json()["why"]
    with pytest.raises(ProblemError, match="no feature"):
        curve(_model(built), RowReader(_model(built), 10).records([{}]), "nothing", "id")
