"""Problems that end a stage before its own work begins."""

from pipeline.core.problems import DataError


class DataChangedError(DataError):
    """The data changed during the run.

    The files are not the ones whose digest the first stage recorded, so the run could not be reproduced. Start a new
    run.
    """

    id = "DATA-17"

    def __init__(self) -> None:
        super().__init__(
            "The data changed during the run.",
            why="The files are not the ones that the first stage saw.",
            fix="Start a new run.",
        )
