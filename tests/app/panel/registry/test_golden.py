"""The predictions are those that a bundle promises."""

from typing import Any

import pytest

from app.panel.registry.golden import largest_difference
from pipeline.core.manifest import PREDICTION_TOLERANCE, Golden
from pipeline.core.prediction_api import Prediction
from tests.app.panel.registry.conftest import manifest_of

BINARY = manifest_of(7, "run-7", b"graph")
NUMBER = BINARY.model_copy(update={"classes": [], "golden": [Golden(record={"x": 1.0}, value=2000.0)]})


def predictions(shift: float = 0.0, **changes: Any) -> list[Prediction]:
    return [
        Prediction.model_validate(
            {
                "prediction": "no",
                "probabilities": {"no": row.probabilities[0] - shift, "yes": row.probabilities[1] + shift},
                "model_version": 7,
            }
            | changes
        )
        for row in BINARY.golden
        if row.probabilities is not None
    ]


def test_the_difference_is_zero_when_the_answers_are_the_same() -> None:
    assert largest_difference(BINARY, predictions()) == 0.0
    assert PREDICTION_TOLERANCE / 2 < largest_difference(BINARY, predictions(6e-6)) < PREDICTION_TOLERANCE


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        predictions()[:2],
        predictions(model_version=6),
        predictions(probabilities={}),
        predictions(probabilities={"no": 0.5}),
        predictions(probabilities={"no": float("nan"), "yes": 0.5}),
    ],
)
def test_the_difference_is_infinite_when_an_answer_is_missing_or_of_another_version(wrong: list[Prediction]) -> None:
    assert largest_difference(BINARY, wrong) == float("inf")


def test_the_difference_is_relative_when_the_values_are_large() -> None:
    def regression(value: float | str) -> list[Prediction]:
        return [Prediction(prediction=value, model_version=7)]

    assert largest_difference(NUMBER, regression(2000.002)) == pytest.approx(1e-6)
    assert largest_difference(NUMBER, regression("2000")) == float("inf")
