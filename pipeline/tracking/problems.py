"""Problems that keep the record of a run from reaching MLflow."""

from pipeline.core.problems import ProblemError
from pipeline.core.product import NAME


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


class ForeignLocationError(ProblemError):
    """MLflow names a place for artifacts that is not its own.

    Somebody has changed an experiment, a run or a model in MLflow so that its artifacts would be written somewhere
    else: to a folder, a bucket, another host or another experiment. Records with model and rows of the table go to the
    experiment `automated-ml-pipeline` below `mlflow-artifacts:/` and nowhere else, so nothing was written. Nothing is
    lost either: rename the experiment in MLflow, and the record is delivered to a new one.
    """

    id = "MLF-12"
    retryable = True

    def __init__(self, what: str, named: str, expected: str) -> None:
        super().__init__(
            f"MLflow names {what} that is not its own, so the record of the run was not delivered.",
            why=f"It says {' '.join(named.split())[:200]}; expected is {expected}.",
            fix=f"Rename the experiment {NAME} in MLflow: the record is then delivered to a new one.",
        )


class ExperimentDeletedError(ProblemError):
    """The experiment was deleted in MLflow.

    MLflow keeps deleted experiments, and their names are not free. Nothing is lost: restore the experiment, and the
    records are delivered.
    """

    id = "MLF-13"
    retryable = True

    def __init__(self, experiment_id: str, tracking_uri: str) -> None:
        super().__init__(
            f"The experiment {NAME} was deleted in MLflow, so the record of the run was not delivered.",
            why="MLflow accepts no run in a deleted experiment, and no other experiment of that name.",
            fix="Restore it: the record is then delivered.",
            command=f"MLFLOW_TRACKING_URI={tracking_uri} mlflow experiments restore --experiment-id {experiment_id}",
        )
