"""Problems with reading or following a log."""

from pipeline.core.problems import ProblemError


class TooManyFollowersError(ProblemError):
    """Too many connections are following logs.

    At most 1,000 connections may follow runs at once. Close pages that nobody is looking at, or read the log without
    following it (`/log?after=N`).
    """

    id = "WEB-07"
    status = 503
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            "Too many connections are following logs.",
            why=f"At most {limit:,} connections may follow at once.",
            fix="Close pages that nobody is looking at, or read the log without following it.",
        )
