"""Conditions under which a model that has just gone live is rolled back."""

import pytest

from app.panel.registry.monitor import Counters, read_counters, rollback_reason

METRICS = """# HELP api_requests_total Answered requests.
# TYPE api_requests_total counter
api_requests_total{route="/predict",status="200"} 90.0
api_requests_total{route="/predict",status="500"} 3.0
api_requests_total{route="other",status="503"} 7.0
api_request_seconds_bucket{le="0.001",route="/predict"} 10.0
api_request_seconds_bucket{le="0.25",route="/predict"} 90.0
api_request_seconds_bucket{le="+Inf",route="/predict"} 93.0
api_request_seconds_bucket{le="0.001",route="other"} 7.0
"""


def test_requests_errors_and_latencies_are_read_when_the_api_tells_them() -> None:
    counters = read_counters(METRICS)
    assert (counters.n_requests, counters.n_errors) == (100, 3)
    assert counters.buckets == ((0.001, 10.0), (0.25, 90.0), (float("inf"), 93.0))


@pytest.mark.parametrize(
    ("before", "now", "is_bad"),
    [
        (Counters(100, 3), Counters(200, 3), False),
        (Counters(100, 3), Counters(200, 4), False),
        (Counters(100, 3), Counters(200, 5), True),
        (Counters(0, 0), Counters(1, 1), True),
        (Counters(1000, 9), Counters(10, 0), False),
        (Counters(1000, 9), Counters(10, 9), True),
    ],
)
def test_server_errors_send_it_back_when_there_are_more_than_one_in_a_hundred(
    before: Counters, now: Counters, is_bad: bool
) -> None:
    assert bool(rollback_reason(before, now)) is is_bad


@pytest.mark.parametrize(
    ("fast", "slow", "is_bad"),
    [((100, 100), (130, 200), True), ((100, 100), (160, 200), False), ((10, 10), (10, 99), False)],
)
def test_latency_sends_it_back_when_the_median_is_five_times_what_it_was(
    fast: tuple[float, float], slow: tuple[float, float], is_bad: bool
) -> None:
    before = Counters(fast[1], 0, ((0.001, fast[0]), (0.25, fast[1])))
    now = Counters(slow[1], 0, ((0.001, slow[0]), (0.25, slow[1])))
    assert bool(rollback_reason(before, now)) is is_bad
