"""Whether answers are those that a bundle promises."""

from typing import Any

import pytest

from app.panel.registry.golden import TOLERANCE, largest_difference
from pipeline.core.bundle import Golden
from tests.app.panel.registry.conftest import manifest_of

BINARY = manifest_of(7, "run-7", b"graph")
NUMBER = BINARY.model_copy(update={"classes": [], "golden": [Golden(record={"x": 1.0}, value=2000.0)]})


def answers(shift: float = 0.0, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"probabilities": {"no": row.probabilities[0] - shift, "yes": row.probabilities[1] + shift}, "model_version": 7}
        | changes
        for row in BINARY.golden
        if row.probabilities is not None
    ]


def test_the_difference_is_zero_when_the_answers_are_the_same() -> None:
    assert largest_difference(BINARY, answers()) == 0.0
    assert TOLERANCE / 2 < largest_difference(BINARY, answers(6e-6)) < TOLERANCE


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        answers()[:2],
        answers(model_version=6),
        answers(probabilities=None),
        answers(probabilities={"no": 0.5}),
        answers(probabilities={"no": 0.5, "yes": "0.5"}),
        answers(probabilities={"no": float("nan"), "yes": 0.5}),
        ["text", 1, None],
    ],
)
def test_the_difference_is_infinite_when_an_answer_is_missing_or_of_another_version(wrong: Any) -> None:
    assert largest_difference(BINARY, wrong) == float("inf")


def test_the_difference_is_relative_when_the_values_are_large() -> None:
    assert largest_difference(NUMBER, [{"prediction": 2000.002, "model_version": 7}]) == pytest.approx(1e-6)
    assert largest_difference(NUMBER, [{"prediction": None, "model_version": 7}]) == float("inf")
