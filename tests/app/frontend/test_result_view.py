"""A prediction in one sentence."""

import pytest

from app.frontend.result_view import threshold_side


@pytest.mark.parametrize(
    ("score", "threshold", "side"),
    [
        (0.123, 0.098, "above"),
        (0.05, 0.098, "below"),
        (0.098, 0.098, "just at or above"),
        (0.09799, 0.098, "just below"),
    ],
)
def test_the_side_is_named_when_score_and_threshold_are_close(score: float, threshold: float, side: str) -> None:
    assert threshold_side(score, threshold) == side
