"""Problems that keep the record of a run from reaching MLflow."""

from pipeline.core.problems import ProblemError


class UnreadableRecordError(ProblemError):
    """The record of a run cannot be read.

    The files that training left for MLflow are missing or damaged, so MLflow cannot show this run. The run itself, its
    model and its page in the panel are not affected; the record of the next run is delivered as usual.
    """

    id = "MLF-10"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The record of the run cannot be read, so it cannot be delivered to MLflow.",
            why=" ".join(str(error).split())[:200],
            fix="Run the pipeline again; the record of the next run is delivered automatically.",
        )


class DeliveryError(ProblemError):
    """MLflow did not accept the record of a run.

    MLflow did not answer in time or refused. Nothing is lost: the record stays on disk and is delivered once MLflow
    answers again. If the problem persists, read MLflow's log on the Services page.
    """

    id = "MLF-11"
    retryable = True

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "MLflow did not accept the record of the run.",
            why=" ".join(str(error).split())[:300],
            fix="Nothing is lost: the record is delivered when MLflow answers again.",
        )
