"""What belongs to the project: its experiment with all below it, and its registered model. Looked up in MLflow's store."""

from collections.abc import Callable
from typing import Any, Final

from app.tracking_server.writes import Write, values_below

_UNKNOWN: Final = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "BAD_REQUEST"}
_REGISTRY: Final = ("/2.0/mlflow/registered-models/", "/2.0/mlflow/model-versions/")
_LOGGED_MODEL: Final = "/2.0/mlflow/logged-models/"


class Project:
    """The experiment and the registered model that are both called `name`. Sync; asks the store each time."""

    def __init__(self, name: str) -> None:
        self.name = name

    def is_touched(self, write: Write) -> bool:
        """Return whether the request would change anything that belongs to the project."""
        if write.artifact_path is not None:
            return self._has_experiment(write.artifact_path.split("/")[0])
        # A metric, an output or a version that names a logged model is written to that model as well.
        models = set(values_below(write.members, "model_id"))
        if write.path.startswith(_REGISTRY):
            models |= {source.removeprefix("models:/") for source in write.values("source")}
            return self.name in write.values("name", "new_name") or any(map(self._has_model, models))
        if write.path.startswith(_LOGGED_MODEL):
            models.add(write.path.removeprefix(_LOGGED_MODEL).split("/")[0])
        return (
            (write.path.startswith("/2.0/mlflow/experiments/") and self.name in write.values("name", "new_name"))
            or any(map(self._has_experiment, write.values("experiment_id", "experiment_ids")))
            or any(map(self._has_run, write.values("run_id", "run_uuid", "source_run_id")))
            or any(map(self._has_model, models))
        )

    def refused_version(self, write: Write) -> str | None:
        """Return why a version of the project's model must not be created from this source; None if it may be.

        Only what lies below the project's experiment is out of reach of those who may not change the project.
        """
        if write.path != "/2.0/mlflow/model-versions/create" or self.name not in write.values("name"):
            return None
        for source in write.values("source"):
            scheme, _, rest = source.partition(":/")
            first = rest.split("/")[0].split("@")[0]
            is_own = (
                (scheme == "runs" and self._has_run(first))
                or (scheme == "mlflow-artifacts" and self._has_experiment(first))
                or (scheme == "models" and (first == self.name or self._has_model(first)))
            )
            if not is_own:
                return f"A version of {self.name} comes from a run of the experiment {self.name}; {source[:200]!r} does not."
        return None

    def _has_experiment(self, experiment_id: str) -> bool:
        experiment = _found(lambda store: store.get_experiment(experiment_id))
        return experiment is not None and experiment.name == self.name

    def _has_run(self, run_id: str) -> bool:
        run = _found(lambda store: store.get_run(run_id))
        return run is not None and self._has_experiment(run.info.experiment_id)

    def _has_model(self, model_id: str) -> bool:
        model = _found(lambda store: store.get_logged_model(model_id, allow_deleted=True))
        return model is not None and self._has_experiment(model.experiment_id)


def _found(look_up: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # of MLflow, which has no types here
    """Return what the store finds; None if there is no such thing."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # only the process that serves has it
    from mlflow.server.handlers import _get_tracking_store  # noqa: PLC0415  # the one that requests use

    try:
        return look_up(_get_tracking_store())
    except MlflowException as error:
        if error.error_code in _UNKNOWN:
            return None
        raise
