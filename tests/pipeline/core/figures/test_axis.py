"""Axes end on round numbers, and their labels are short."""

import pytest

from pipeline.core.figures.axis import axis_number, round_axis


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 0.043, [0, 0.01, 0.02, 0.03, 0.04, 0.05]),
        (-3, 120, [-25, 0, 25, 50, 75, 100, 125]),
        (5, 5, [4.4, 4.6, 4.8, 5, 5.2, 5.4, 5.6]),
    ],
)
def test_axis_ends_on_round_ticks_around_the_values(low: float, high: float, ticks: list[float]) -> None:
    axis = round_axis(low, high, "")
    assert axis.low <= low <= high <= axis.high
    if low < high:
        assert [tick for tick, _ in axis.ticks] == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1e-17, "0"),
        (0.05, "0.05"),
        (-8.1e-5, "-8e-05"),
        (12500, "12.5k"),
        (2e6, "2M"),
        (9999, "1e+04"),
        (410, "410"),
    ],
)
def test_number_is_short_when_it_is_a_label(value: float, text: str) -> None:
    assert axis_number(value) == text
