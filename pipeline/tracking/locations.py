"""Where a delivery may write artifacts: to those of its own experiment, on the MLflow server that it talks to.

MLflow's client writes wherever the server tells it to: to a folder of this machine, to a bucket, to another host. So
what the server says is compared with the form that our own server gives, and nothing else is opened.
"""

import re
from pathlib import Path
from typing import Any, Final

from pipeline.tracking.problems import ForeignLocationError

EXPERIMENT_ID: Final = re.compile(r"[0-9]{1,20}")
RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")


class Locations:
    """The locations of one experiment. Raises ForeignLocationError for one with an id that our server does not give."""

    def __init__(self, experiment_id: str) -> None:
        self.experiment = f"mlflow-artifacts:/{_id(EXPERIMENT_ID, experiment_id, 'an experiment')}"

    def of_run(self, run_id: str) -> str:
        """Return the artifact URI of an MLflow run of the experiment. Raises ForeignLocationError."""
        return f"{self.experiment}/{_id(RUN_ID, run_id, 'a run')}/artifacts"

    def of_model(self, model_id: str) -> str:
        """Return the artifact location of a logged model of the experiment. Raises ForeignLocationError."""
        return f"{self.experiment}/models/{_id(MODEL_ID, model_id, 'a logged model')}/artifacts"

    def confine(self, readable: Path) -> None:
        """From now on let MLflow's client open only locations of the experiment, and read files below `readable`.

        Any other raises ForeignLocationError at the moment at which the client would write there. For this process.
        """
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415  # imports most of MLflow
            get_registered_artifact_repositories,
        )
        from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository  # noqa: PLC0415

        written = re.compile(rf"{re.escape(self.experiment)}/(?:{RUN_ID.pattern}|models/{MODEL_ID.pattern})/artifacts")

        def open_remote(artifact_uri: str, **options: Any) -> Any:  # noqa: ANN401  # of MLflow, which has no types here
            if not written.fullmatch(artifact_uri):
                raise ForeignLocationError("a place for artifacts", artifact_uri, f"one below {self.experiment}")
            return MlflowArtifactsRepository(artifact_uri, **options)

        def open_local(artifact_uri: str, **options: Any) -> Any:  # noqa: ANN401
            return _files(readable, artifact_uri, options) or refuse(artifact_uri)

        def refuse(artifact_uri: str, **_: Any) -> Any:  # noqa: ANN401
            raise ForeignLocationError("a place for artifacts", artifact_uri, f"one below {self.experiment}")

        repositories = get_registered_artifact_repositories()
        for scheme in repositories:
            repositories[scheme] = refuse
        repositories[""] = repositories["file"] = open_local
        repositories["mlflow-artifacts"] = open_remote


def _id(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ForeignLocationError(what, f"the id {value}", f"one of the form {pattern.pattern}")
    return value


def _files(folder: Path, uri: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return MLflow's repository over files below `folder`, which cannot be written; None if `uri` is not one of them."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository  # noqa: PLC0415

    class Files(LocalArtifactRepository):  # type: ignore[misc]  # mlflow comes without types here
        def log_artifact(self, *_: Any) -> None:  # noqa: ANN401
            raise ForeignLocationError("a place for artifacts", uri, "one on the MLflow server")

        log_artifacts = log_artifact

    repository = Files(uri, **options)
    return repository if Path(repository.artifact_dir).resolve().is_relative_to(folder.resolve()) else None
