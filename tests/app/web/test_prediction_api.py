"""Requests of the prediction API: what is sent, and which bodies are no response."""

import json
from typing import Any

import pytest

from app.web.prediction_api import READINESS, STATS, ApiRequest, curve, explain, predict, predict_many, predict_table
from pipeline.core.prediction_api import CategoryCounts, NumericCounts

PREDICTION = {"prediction": "no", "probabilities": {"no": 1, "yes": 0}, "model_version": 7, "new": "ignored"}


def test_record_is_sent_as_it_is_when_its_names_are_not_ascii() -> None:
    request = predict({"Größe": 1.5})
    assert (request.method, request.path, request.content_type) == ("POST", "/predict", "application/json")
    assert request.body == '{"Größe": 1.5}'.encode()
    assert curve({"x": 1}, "x").body == b'{"record": {"x": 1}, "feature": "x"}'
    table = predict_table(b"x\n1\n")
    assert (table.path, table.content_type, table.body) == ("/predict/csv", "text/csv", b"x\n1\n")


def test_response_is_read_when_it_has_members_of_a_newer_version() -> None:
    body = json.dumps(PREDICTION).encode()
    assert predict({}).parse(body).probabilities == {"no": 1.0, "yes": 0.0}
    assert [each.model_version for each in predict_many([{}]).parse(b"[" + body + b"]")] == [7]


def test_counts_are_told_apart_when_features_are_numeric_and_categorical() -> None:
    features = {
        "age": {"counts": [1], "missing": 0, "out_of_range": 1},
        "city": {"counts": [2], "missing": 1, "unseen": 0},
    }
    stats = {"version": 1, "digest": "d", "since": "2026-01-01", "n": 3, "features": features, "score": {"counts": []}}
    counts = STATS.parse(json.dumps(stats).encode()).features
    assert isinstance(counts["age"], NumericCounts)
    assert isinstance(counts["city"], CategoryCounts)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        ["text", 1, None],
        [PREDICTION | {"probabilities": None}],
        [PREDICTION | {"probabilities": {"no": 0.5, "yes": "0.5"}}],
        [PREDICTION | {"model_version": "7"}],
        [PREDICTION | {"prediction": None}],
    ],
)
def test_body_is_refused_when_it_is_no_list_of_predictions(body: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        predict_many([]).parse(json.dumps(body).encode())


@pytest.mark.parametrize("request_", [READINESS, STATS, predict({}), explain({}), curve({}, "x")])
def test_body_is_refused_when_it_is_no_json(request_: ApiRequest[Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        request_.parse(b"<html>")
