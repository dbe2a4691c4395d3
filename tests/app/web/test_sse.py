"""Where a reader goes on."""

import pytest

from app.web.sse import cursor


@pytest.mark.parametrize(
    ("after", "last_event_id", "expected"),
    [("0", "", 0), ("5", "", 5), ("5", "9", 9), ("9", "5", 9), ("junk", "-1", 0), ("1" * 30, "٣", 0)],
)
def test_later_cursor_wins_when_both_are_given_and_junk_counts_as_none(
    after: str, last_event_id: str, expected: int
) -> None:
    assert cursor(after, last_event_id) == expected
