"""The only artifacts that MLflow's server opens: files below its own artifact root.

What a run, a model or a trace names as its place was checked when it was stored (`locations.py`), but stores are older
than that check, and MLflow has a repository for every cloud, for FTP, HTTP and any folder.
"""

import os
from pathlib import Path
from typing import Any


def confine(root: Path) -> None:
    """From now on let MLflow, in this process, open artifacts below `root` only; anything else is an error of the caller."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # only the process that serves has it
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
        get_registered_artifact_repositories,
    )
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository  # noqa: PLC0415

    def refuse(artifact_uri: str, **_: Any) -> Any:  # noqa: ANN401  # of MLflow, which has no types here
        raise MlflowException.invalid_parameter_value(
            f"The artifacts at {artifact_uri[:200]!r} are not those of this server, so they are not opened."
        )

    def open_local(artifact_uri: str, **options: Any) -> Any:  # noqa: ANN401
        repository = LocalArtifactRepository(artifact_uri, **options)
        real = os.path.realpath(repository.artifact_dir)
        return repository if Path(real).is_relative_to(os.path.realpath(root)) else refuse(artifact_uri)

    repositories = get_registered_artifact_repositories()
    for scheme in repositories:
        repositories[scheme] = refuse
    repositories[""] = repositories["file"] = open_local
