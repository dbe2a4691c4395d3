"""Geometry of charts."""

from app.web.charts import layout_bars, layout_trend


def test_line_spans_the_chart_when_values_differ() -> None:
    line = layout_trend([("a", 1.0, False), ("b", 3.0, True), ("c", 2.0, False)], width=100, height=50, pad=10)
    assert line is not None
    assert line.path == "10.0,40.0 50.0,10.0 90.0,25.0"
    assert (line.low, line.high, [p.is_marked for p in line.points]) == (1.0, 3.0, [False, True, False])


def test_line_lies_in_the_middle_when_all_values_are_equal() -> None:
    line = layout_trend([("a", 5.0, False)], width=100, height=50)
    assert line is not None
    assert (line.points[0].x, line.points[0].y) == (50, 25)
    assert layout_trend([]) is None


def test_rare_bin_can_be_seen_when_another_is_huge() -> None:
    drawn = layout_bars([0, 1, 1_000_000], width=30, height=20)
    assert [bar.height for bar in drawn] == [0, 1, 20]
    assert layout_bars([]) == layout_bars([0, 0]) == ()
