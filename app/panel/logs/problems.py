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


class TooManyStreamsError(ProblemError):
    """One session or token follows too many logs at once.

    At most eight streams may be open for each session and each token; one that ends makes room at once. The page of a
    run goes on without a stream and asks for new lines every 2 s; a script may do the same (`/log?after=N`).
    """

    id = "WEB-09"
    status = 429
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            "Too many streams are open for this session or token.",
            why=f"At most {limit} may be open at once.",
            fix="End one of them, or read the log without following it.",
        )
