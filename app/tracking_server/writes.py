"""What a request wants to change, read as MLflow reads it."""

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_PREFIX: Final = re.compile(r"/(?:ajax-)?api")
_ARTIFACTS: Final = "/2.0/mlflow-artifacts/artifacts/"


@dataclass(frozen=True)
class Write:
    """A request that changes something.

    `path` is without /api or /ajax-api; `members` are those of its JSON body. `artifact_path` is the normalised path of
    the artifact below the artifact root; None if the request is about no artifact.
    """

    method: str
    path: str
    members: dict[str, Any] = field(default_factory=dict)
    artifact_path: str | None = None

    def values(self, *names: str) -> Iterator[str]:
        """Yield the values of these members, spelled with or without underscores; those of a list one by one."""
        wanted = {name.replace("_", "") for name in names}
        for name, value in self.members.items():
            if name.replace("_", "").lower() in wanted:
                for each in value if isinstance(value, list) else [value]:
                    yield str(each)


def values_below(node: object, name: str) -> Iterator[str]:
    """Yield the values of a member wherever it is in a JSON document, spelled with or without underscores."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.replace("_", "").lower() == name.replace("_", ""):
                yield from (str(each) for each in (value if isinstance(value, list) else [value]))
            yield from values_below(value, name)
    elif isinstance(node, list):
        for each in node:
            yield from values_below(each, name)


def has_json(path: str) -> bool:
    """Return whether MLflow reads a request to `path`, as it arrives, as JSON; otherwise it is an artifact."""
    return not _short(path).startswith(_ARTIFACTS)


def read_write(method: str, path: str, body: bytes) -> Write:
    """Return what a request wants to change.

    Raises ValueError if its body is neither empty nor a JSON object, and for an artifact's path that leads out of the
    artifact root, or to the root itself.
    """
    short = _short(path)
    if short.startswith(_ARTIFACTS):
        return Write(method, short, artifact_path=_safe(short.removeprefix(_ARTIFACTS)))
    members = json.loads(body) if body.strip() else {}
    if isinstance(members, str):  # as MLflow's oldest clients send it, and MLflow reads it
        members = json.loads(members)
    if not isinstance(members, dict):
        raise ValueError("The body is not a JSON object.")
    return Write(method, short, members)


def _short(path: str) -> str:
    return _PREFIX.sub("", path, count=1)


def _safe(path: str) -> str:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # only the process that serves has it
    from mlflow.utils.uri import validate_path_is_safe  # noqa: PLC0415

    try:
        # MLflow decodes a path until nothing is left to decode.
        normalised: str = posixpath.normpath(validate_path_is_safe(path))
    except MlflowException as error:
        raise ValueError("The path of the artifact leads out of the artifacts.") from error
    if normalised == ".":
        raise ValueError("The path of the artifact names all of them.")
    return normalised
