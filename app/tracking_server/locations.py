"""Which places for artifacts a caller may name: those that this server keeps itself. Pure.

MLflow takes any: a folder of this machine, a bucket, another host. It would write there, and read from there for
whoever asks.
"""

import re
from typing import Final

from app.tracking_server.writes import Write

# No host, no query, no fragment, nothing encoded; no folder that is named like an experiment, which has its own.
_NAME: Final = r"(?!\.{1,2}(?:/|\Z))[^/?#%\\\x00-\x1f\x7f]+"
_OWN_FOLDER: Final = re.compile(rf"mlflow-artifacts:/(?![0-9]+(?:/|\Z)){_NAME}(?:/{_NAME})*")
_SOURCE: Final = re.compile(rf"(?:mlflow-artifacts|models|runs):/{_NAME}(?:/{_NAME})*")
# What MLflow's clients and pages write for a prompt, which has no artifacts.
_NO_SOURCE: Final = frozenset({"dummy-source", "prompt-template"})


def refused_location(write: Write) -> str | None:
    """Return why the request is refused for a place that it names; None if it names none, or an own one."""
    for location in write.values("artifact_location", "artifact_uri", "storage_location"):
        if location and not _OWN_FOLDER.fullmatch(location):
            return (
                f"The artifact location {location[:200]!r} is not one of this server: leave it out, or name a folder "
                "such as mlflow-artifacts:/my-project that is not a number."
            )
    if write.path == "/2.0/mlflow/model-versions/create":
        for source in write.values("source"):
            if source not in _NO_SOURCE and not _SOURCE.fullmatch(source):
                return (
                    f"The source {source[:200]!r} is not one of this server: it begins with runs:/, models:/ or "
                    "mlflow-artifacts:/ and has no host."
                )
    return None
