"""The interval of the schedule as the home page shows it."""

from app.panel.home.views import Interval, as_interval


def test_interval_is_in_the_largest_whole_unit_when_shown() -> None:
    assert [as_interval(s) for s in (7200, 600, 90)] == [Interval("2", "h"), Interval("10", "min"), Interval("90", "s")]
