"""Services as processes of their own: marked and noted, so that the next panel finds them, with none of its secrets."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.panel.services.problems import ServiceStartError
from app.panel.services.process.confinement import ALLOCATED_PER_USED, is_root, own_environment, own_folder, user_for
from app.panel.services.process.records import Record, Records
from app.panel.services.protocol import ServiceName, ServiceSpec
from app.processes.adopted import AdoptedProcess
from app.processes.child import ChildProcess, start
from app.processes.environment import clean
from app.processes.marks import kill_marked
from app.processes.tree import identity

OWNER_VARIABLE: Final = "ML_PIPELINE_OWNER"


@dataclass
class ServiceProcess:
    """A service that runs, or did. `owns_port` is set once it was seen listening on `port`.

    `is_unconfined`: it writes files, and runs as root all the same.
    """

    process: ChildProcess | AdoptedProcess
    digest: str
    port: int
    instance_id: str
    started_at: datetime
    is_unconfined: bool
    owns_port: bool = False


class ServiceProcesses:
    """Starts services that outlive the panel, and finds those of the panel before by what it noted in `folder`.

    All are marked, so that what was not noted, because the panel was killed at that moment, is found as well.
    """

    def __init__(self, folder: Path) -> None:
        self._records = Records(folder)
        self._owner = self._records.mark()

    def start(self, spec: ServiceSpec, cwd: Path, output: int, env: Mapping[str, str] | None = None) -> ServiceProcess:
        """Start the service with its output in the file descriptor `output`. Raises SVC-01 if it cannot be started.

        `env` is added to its environment. It is found by the next panel once it is noted (`note`).
        """
        try:
            folder = own_folder(spec)
            work = own_environment(folder) if folder is not None else {}
            user_id = user_for(spec)
            mark = {OWNER_VARIABLE: self._mark(spec.name)}
            process = start(
                spec.argv,
                env={**clean(), "PYTHONUNBUFFERED": "1", **spec.env, **work, **(env or {}), **mark},
                cwd=folder or cwd,
                stdout=output,
                stderr=subprocess.STDOUT,
                outlives=True,
                memory_bytes=ALLOCATED_PER_USED * spec.memory_bytes,
                user_id=user_id,
            )
        except OSError as error:
            raise ServiceStartError.of_process(spec.name, f"{error.strerror or error}.") from error
        started_at = datetime.now(UTC)
        instance_id = f"{process.pid}-{started_at.timestamp():.6f}"
        is_unconfined = folder is not None and is_root() and user_id == 0
        return ServiceProcess(process, spec.digest, spec.listen_port, instance_id, started_at, is_unconfined)

    def note(self, name: ServiceName, service: ServiceProcess) -> None:
        """Let the next panel find this process as the service."""
        record = Record(
            owner=self._owner,
            leader=identity(service.process.pid),
            digest=service.digest,
            port=service.port,
            instance_id=service.instance_id,
            started_at=service.started_at.isoformat(),
            is_unconfined=service.is_unconfined,
        )
        self._records.write(name, record)

    def find(self, name: ServiceName) -> ServiceProcess | None:
        """Return the service as an earlier panel left it; None if it does not run."""
        found = self._records.read(name)
        if found is None:
            return None
        record, process = found
        started_at = datetime.fromisoformat(record.started_at)
        return ServiceProcess(process, record.digest, record.port, record.instance_id, started_at, record.is_unconfined)

    def forget(self, name: ServiceName) -> None:
        """Forget what was noted: the service has ended."""
        self._records.remove(name)

    def sweep(self, name: ServiceName, keep: ServiceProcess | None = None) -> int:
        """Kill what runs of the service, noted or not, but `keep` with all below it. Return how many there were."""
        return kill_marked(OWNER_VARIABLE, self._mark(name), spare=None if keep is None else keep.process.pid)

    def _mark(self, name: ServiceName) -> str:
        return f"{self._owner}/{name}"
