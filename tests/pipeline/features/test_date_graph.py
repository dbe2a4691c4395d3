"""The graph counts days, weekdays and hours as the calendar does."""

from datetime import datetime, timedelta

import numpy as np

from pipeline.features.date_graph import DateFit
from pipeline.features.graph import date_graph
from pipeline.onnx.session import Graph, RawRows

FIRST = datetime.fromisoformat("1900-01-01")
MOMENTS = [
    FIRST + timedelta(days=i, seconds=i * 7919 % 86_400)
    for i in range((datetime.fromisoformat("2101-01-01") - FIRST).days)
]


def run(fits: list[DateFit], texts: list[list[str]]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.array(texts, dtype=object)
    return Graph(date_graph(fits, rows.shape[1])).run(RawRows(np.empty((len(rows), 0), np.float32), rows))


def test_each_part_is_the_calendar_s_on_every_day_of_two_centuries() -> None:
    fit = DateFit("when", 0, first_day=FIRST.toordinal() - datetime.fromisoformat("1970-01-01").toordinal())
    expected = [
        [
            moment.year,
            moment.month,
            moment.day,
            moment.weekday(),
            moment.timetuple().tm_yday,
            moment.hour + moment.minute / 60 + moment.second / 3600,
            (moment - FIRST) / timedelta(days=1),
        ]
        for moment in MOMENTS
    ]
    parts = run([fit], [[moment.isoformat(timespec="seconds")] for moment in MOMENTS])
    np.testing.assert_array_equal(parts, np.array(expected, dtype=np.float32))


def test_every_part_is_missing_when_the_date_is() -> None:
    parts = run([DateFit("when", 0, cyclic=True)], [[""], ["2020-02-29T12:00:00"], ["no date"]])
    assert np.isnan(parts[[0, 2]]).all()
    assert parts[1, :6].tolist() == [2020, 2, 29, 5, 60, 12]


def test_months_weekdays_and_hours_lie_on_circles_when_the_model_is_linear() -> None:
    fit = DateFit("when", 0, ("month", "hour"), cyclic=True)
    assert fit.outputs[2:4] == ["when (month, sine)", "when (month, cosine)"]
    parts = run([fit], [["2020-12-01T06:00:00"], ["2020-03-01T12:00:00"]])
    np.testing.assert_allclose(parts[:, 2:], [[0, 1, 1, 0], [1, 0, 0, -1]], atol=1e-6)


def test_the_days_between_dates_are_features_when_there_are_two_or_three() -> None:
    fits = [DateFit("from", 0, ("year",)), DateFit("to", 1, ("year",))]
    parts = run(fits, [["2020-02-01T00:00:00", "2020-03-01T12:00:00"], ["2020-02-01T00:00:00", ""]])
    assert parts[0].tolist() == [2020, 2020, 29.5]
    assert np.isnan(parts[1, 1:]).all()
