"""What decides that a model that has just gone live is rolled back, and what a stranger can do about it: nothing."""

from collections.abc import Iterable

import pytest

from app.panel.registry.evidence import (
    FAILURES_IN_A_ROW,
    SLOW_IN_A_ROW,
    Counters,
    Evidence,
    Observation,
    Presence,
    read_counters,
    typical_s,
)

METRICS = """# HELP api_requests_total Finished requests.
# TYPE api_requests_total counter
api_requests_total{route="/predict",status="500"} 70.0
# TYPE api_rows_total counter
api_rows_total 100.0
# TYPE api_prediction_errors_total counter
api_prediction_errors_total 5.0
"""


def evidence(earlier_s: float | None = 0.0001, counters: Counters | None = None) -> Evidence:
    return Evidence(earlier_s=earlier_s, counters=counters, ready_at_s=0.0)


def seen(at_s: float = 1.0, presence: Presence = "ready", **more: object) -> Observation:
    return Observation(at_s=at_s, presence=presence, **more)  # type: ignore[arg-type]  # as the test names them


def first_reason(of: Evidence, observations: Iterable[Observation]) -> tuple[int, str]:
    """Return after how many observations it is rolled back, and why; 0 for never."""
    for n, observation in enumerate(observations, start=1):
        reason = of.reason_after(observation)
        if reason:
            return n, reason
    return 0, ""


def test_rows_and_failed_predictions_are_read_when_the_api_counts_them() -> None:
    assert read_counters(METRICS) == Counters(n_rows=100, n_errors=5)
    assert read_counters("") == Counters(0, 0)


def test_it_goes_back_when_its_own_rows_fail_several_times_in_a_row() -> None:
    n, reason = first_reason(evidence(), [seen(has_failed=True)] * 9)
    assert (n, reason) == (FAILURES_IN_A_ROW, "It answered the panel's own rows with a server error 3 times in a row.")
    mixed = [seen(has_failed=failed) for failed in (True, True, False) * 20]
    assert first_reason(evidence(), mixed) == (0, "")


def test_it_goes_back_when_a_row_takes_five_times_as_long_several_times_in_a_row() -> None:
    n, reason = first_reason(evidence(0.002), [seen(row_s=0.030)] * 9)
    assert n == SLOW_IN_A_ROW
    assert "30 ms of processor time or more, 5 times in a row; with the model before it took 2.0 ms" in reason


@pytest.mark.parametrize(
    ("earlier_s", "rows_s"),
    [
        (0.002, [0.030] * (SLOW_IN_A_ROW - 1) + [0.002]),  # a slow second or four
        (0.0001, [0.024]),  # many times as long, and still soon
        (0.020, [0.099]),
        (None, [9.0]),  # there is nothing to compare with
    ],
)
def test_it_stays_when_it_is_slow_for_a_moment_or_not_slow_at_all(earlier_s: float | None, rows_s: list[float]) -> None:
    assert first_reason(evidence(earlier_s), [seen(row_s=row_s) for row_s in rows_s * 20]) == (0, "")


def test_no_answer_decides_nothing_and_forgets_nothing_when_others_flood_the_api() -> None:
    silent = [seen(at_s, "unknown") for at_s in range(1, 600)]
    assert first_reason(evidence(), silent) == (0, "")
    flooded = [seen(at_s, "unknown" if at_s % 3 else "ready", row_s=None if at_s % 3 else 0.5) for at_s in range(600)]
    assert first_reason(evidence(), flooded)[0] == 3 * SLOW_IN_A_ROW - 2


def test_it_goes_back_when_nothing_listens_for_long_but_not_when_it_is_busy_in_between() -> None:
    away = [seen(float(at_s), "away") for at_s in range(1, 60)]
    assert first_reason(evidence(), away) == (
        15,
        "The prediction API has not been ready for 15 s since it went live.",
    )
    restarted = [seen(float(at_s), "unknown" if at_s % 10 == 0 else "away") for at_s in range(1, 600)]
    assert first_reason(evidence(), restarted) == (0, "")
    starting = Evidence(earlier_s=None, counters=None, ready_at_s=None)
    assert first_reason(starting, [*away, seen(60.0), seen(61.0, "away"), seen(75.0, "away")])[0] == len(away) + 3


@pytest.mark.parametrize(
    ("before", "now", "is_bad"),
    [
        (Counters(100, 3), Counters(200, 3), False),
        (Counters(100, 3), Counters(200, 5), False),
        (Counters(100, 3), Counters(200, 6), True),
        (Counters(100, 3), Counters(50_000, 103), False),
        (Counters(0, 0), Counters(0, 2), False),
        (Counters(0, 0), Counters(0, 3), True),
        (Counters(1000, 9), Counters(10, 0), False),
        (Counters(1000, 9), Counters(10, 9), True),
        (None, Counters(0, 9), False),  # they may be those of the model before
    ],
)
def test_it_goes_back_when_those_with_the_key_get_errors_for_more_than_one_row_in_a_hundred(
    before: Counters | None, now: Counters, is_bad: bool
) -> None:
    assert bool(evidence(counters=before).reason_after(seen(counters=now))) is is_bad


def test_a_large_request_is_one_error_when_it_fails() -> None:
    """How many rows others send at once says nothing about the model."""
    of = evidence(counters=Counters(0, 0))
    large = [seen(counters=Counters(1_000 * n, n / 20)) for n in range(1, 200)]
    assert first_reason(of, large) == (0, "")


def test_one_odd_measurement_does_not_count_when_others_are_usual() -> None:
    assert typical_s([0.001, 0.9, 0.001]) == 0.001
    assert typical_s([]) is None
