"""Problems with changing the schedule."""

from typing import Final

from pipeline.core.problems import ProblemError

MAX_INTERVAL_S: Final = 30 * 24 * 3600


class InvalidIntervalError(ProblemError):
    """The interval is not valid.

    The interval of the schedule is 1 second to 30 days.
    """

    id = "RUN-06"
    status = 422

    def __init__(self, interval_s: int) -> None:
        fix = f"Choose 1 to {MAX_INTERVAL_S:,} s (30 days)."
        super().__init__(f"The interval cannot be {interval_s:,} s.", fix=fix)
