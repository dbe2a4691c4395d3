"""Charts stay inside their box and show where values lie."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.frontend.chart_layout import layout_curve, layout_distribution, layout_gauge, rank_below
from pipeline.core.manifest import Histogram

HISTOGRAM = Histogram(edges=[0, 10, 20, 40], counts=[1, 2, 1])
FINITE = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


def test_the_gauge_shows_both_when_a_threshold_is_given() -> None:
    gauge = layout_gauge(0.123, 0.098)
    assert (gauge.score, gauge.threshold) == (12.3, 9.8)


@pytest.mark.parametrize(("value", "share"), [(-5, 0.0), (0, 0.0), (5, 0.125), (20, 0.75), (30, 0.875), (99, 1.0)])
def test_the_rank_counts_rows_below_when_bins_are_cut(value: float, share: float) -> None:
    assert rank_below(HISTOGRAM, value) == pytest.approx(share)


def test_the_bin_of_the_value_is_marked_when_bins_differ_in_width() -> None:
    chart = layout_distribution(HISTOGRAM, 25)
    assert [bar.is_marked for bar in chart.bars] == [False, False, True]
    assert [bar.height for bar in chart.bars] == [50.0, 100.0, 25.0]
    assert chart.mark == 62.5


@pytest.mark.slow
@given(
    st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=50).map(sorted),
    st.tuples(FINITE, FINITE),
    st.one_of(st.none(), st.floats(0, 1)),
    st.booleans(),
)
@example([(0.0, 0.0), (5e-324, 0.0)], (0.0, 0.0), None, False)
def test_a_curve_stays_in_its_box_when_numbers_are_wild(
    points: list[tuple[float, float]], current: tuple[float, float], threshold: float | None, is_share: bool
) -> None:
    if is_share:
        points = [(x, abs(y) / 1e12) for x, y in points]
        current = (current[0], abs(current[1]) / 1e12)
    chart = layout_curve(points, current=current, threshold=threshold, is_share=is_share)
    numbers = [float(part.lstrip("ML")) for part in chart.path.split()]
    marks = [*numbers, chart.mark_x, chart.mark_y, *(tick.at for tick in (*chart.x_ticks, *chart.y_ticks))]
    assert all(at is not None and 0 <= at <= 100 for at in marks)
    assert chart.threshold is None or 0 <= chart.threshold <= 100
    assert all(a.at < b.at for a, b in itertools.pairwise(chart.x_ticks))


def test_a_flat_curve_is_drawn_when_nothing_changes() -> None:
    chart = layout_curve([(0, 0.0), (1, 0.0)], current=(0, 0.0), threshold=None, is_share=True)
    assert chart.path == "M0.00 100.00 L100.00 100.00"
