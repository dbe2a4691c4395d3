"""Problems with delivering the records of runs to MLflow."""

from pathlib import Path

from pipeline.core.problems import ProblemError


class TrackingUnavailableError(ProblemError):
    """MLflow is not running.

    A run found MLflow stopped, blocked or failing. The run continues as usual: its record is kept beside the run and
    delivered when MLflow answers again, even after a restart of the panel. The Services page shows what is wrong.
    """

    id = "MLF-01"

    def __init__(self, state: str, detail: str) -> None:
        super().__init__(
            f"MLflow is not running: {state}.",
            why=detail,
            fix="The record of this run is kept and delivered later.",
        )


class RecordDeletedError(ProblemError):
    """A record was deleted before it was delivered.

    The folder of the run no longer exists, so there is nothing left to deliver; the run itself and its model are not
    affected.
    """

    id = "MLF-02"

    def __init__(self, folder: Path) -> None:
        super().__init__("The record was deleted before it was delivered to MLflow.", why=f"{folder} no longer exists.")
