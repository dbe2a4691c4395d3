"""Ticks are round, few, and where they are asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.figures.ticks import ticks_around, ticks_within

FINITE = st.floats(-1e12, 1e12)


@given(low=FINITE, width=st.floats(1e-3, 1e12))
def test_ticks_enclose_the_range_or_lie_in_it_when_it_is_not_empty(low: float, width: float) -> None:
    high = low + width
    slack = 1e-8 * width + 1e-12 * (abs(low) + width)
    around, within = ticks_around(low, high), ticks_within(low, high)
    assert around[0] <= low + slack
    assert around[-1] >= high - slack
    assert all(low - slack <= tick <= high + slack for tick in within)
    assert 2 <= len(within) <= len(around) <= 8


@pytest.mark.parametrize("value", [0.0, 5.0, -1e300])
def test_the_value_is_the_only_tick_when_there_is_no_range(value: float) -> None:
    assert ticks_within(value, value) == [value]
    assert ticks_within(value, value + 5e-324) == [value]


def test_ticks_within_are_round_when_the_ends_are_not() -> None:
    assert ticks_within(0.3, 9.7) == [2.0, 4.0, 6.0, 8.0]
