"""Services as child processes: marked, so that the next panel finds them, with none of the panel's secrets."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.panel.services.problems import ServiceStartError
from app.panel.services.process.confinement import ALLOCATED_PER_USED, is_root, own_environment, own_folder, user_for
from app.panel.services.protocol import ServiceSpec
from app.processes.child import ChildProcess, start
from app.processes.environment import clean
from app.processes.marks import kill_marked
from app.processes.reaper_process import ReaperProcess

OWNER_VARIABLE: Final = "ML_PIPELINE_OWNER"


@dataclass
class ServiceProcess:
    """A started service. `owns_port` is set once it was seen listening on `port`.

    `is_unconfined`: it writes files, and runs as root all the same.
    """

    process: ChildProcess
    digest: str
    port: int
    instance_id: str
    started_at: datetime
    is_unconfined: bool
    owns_port: bool = False


class ServiceProcesses:
    """Starts services. `owner` marks them, so that those of a killed panel are found by the next one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._reaper = ReaperProcess()

    def start(self, spec: ServiceSpec, cwd: Path, output: int) -> ServiceProcess:
        """Start the service with its output in the file descriptor `output`. Raises SVC-01 if it cannot be started."""
        try:
            folder = own_folder(spec)
            work = own_environment(folder) if folder is not None else {}
            user_id = user_for(spec)
            env = {**clean(), "PYTHONUNBUFFERED": "1", **spec.env, **work, OWNER_VARIABLE: self._owner}
            process = start(
                spec.argv,
                env=env,
                cwd=folder or cwd,
                stdout=output,
                stderr=subprocess.STDOUT,
                reaper=self._reaper,
                memory_bytes=ALLOCATED_PER_USED * spec.memory_bytes,
                user_id=user_id,
            )
        except OSError as error:
            raise ServiceStartError.of_process(spec.name, f"{error.strerror or error}.") from error
        started_at = datetime.now(UTC)
        instance_id = f"{process.pid}-{started_at.timestamp():.6f}"
        is_unconfined = folder is not None and is_root() and user_id == 0
        return ServiceProcess(process, spec.digest, spec.listen_port, instance_id, started_at, is_unconfined)

    def sweep(self) -> int:
        """Kill what a killed panel left behind: processes that carry our owner mark. Return how many there were."""
        return kill_marked(OWNER_VARIABLE, self._owner)

    def close(self) -> None:
        """Let the reaper go; services that still run end with it."""
        self._reaper.close()
