"""Services as child processes: marked, so that the next panel finds them, with none of the panel's secrets."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.panel.services.problems import ServiceStartError
from app.panel.services.protocol import ServiceSpec
from app.processes.child import ChildProcess, start
from app.processes.environment import clean
from app.processes.marks import kill_marked
from app.processes.reaper_process import ReaperProcess

OWNER_VARIABLE: Final = "ML_PIPELINE_OWNER"
# What a secret's name ends in; each has a twin, with _FILE at its end, that names a file with the secret in it.
SECRET_SUFFIXES: Final = ("_KEY", "_PASSWORD", "_TOKEN")


@dataclass
class ServiceProcess:
    """A started service. `owns_port` is set once it was seen listening on `port`."""

    process: ChildProcess
    digest: str
    port: int
    instance_id: str
    started_at: datetime
    owns_port: bool = False


class ServiceProcesses:
    """Starts services. `owner` marks them, so that those of a killed panel are found by the next one.

    A secret of theirs lies in a file below `folder` that only this user may read: who may list processes can see their
    environment.
    """

    def __init__(self, owner: str, folder: Path) -> None:
        self._owner = owner
        self._folder = folder
        self._reaper = ReaperProcess()

    def start(self, spec: ServiceSpec, cwd: Path, output: int) -> ServiceProcess:
        """Start the service with its output in the file descriptor `output`. Raises SVC-01 if it cannot be started."""
        try:
            own = _with_secrets_in_files(spec.env, self._folder / spec.name)
            env = {**clean(), "PYTHONUNBUFFERED": "1", **own, OWNER_VARIABLE: self._owner}
            process = start(spec.argv, env=env, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, reaper=self._reaper)
        except OSError as error:
            raise ServiceStartError.of_process(spec.name, f"{error.strerror or error}.") from error
        started_at = datetime.now(UTC)
        instance_id = f"{process.pid}-{started_at.timestamp():.6f}"
        return ServiceProcess(process, spec.digest, spec.listen_port, instance_id, started_at)

    def sweep(self) -> int:
        """Kill what a killed panel left behind: processes that carry our owner mark. Return how many there were."""
        return kill_marked(OWNER_VARIABLE, self._owner)

    def close(self) -> None:
        """Let the reaper go; services that still run end with it."""
        self._reaper.close()


def _with_secrets_in_files(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return `env` with the name of a file in `folder` for each secret; files of other secrets there are removed."""
    secrets = {name: value for name, value in env.items() if name.endswith(SECRET_SUFFIXES)}
    others = {name: value for name, value in env.items() if name not in secrets}
    for old in folder.glob("*"):
        old.unlink()
    for name, value in secrets.items():
        if f"{name}_FILE" in others:  # which wins where both are set
            continue
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(value)
        others[f"{name}_FILE"] = str((folder / name).resolve())
    return others
