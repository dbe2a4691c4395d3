"""What runs, noted in the panel's folder, so that the next panel finds it: one small file for each service."""

import json
import logging
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from app.panel.services.protocol import SERVICES, ServiceName
from app.processes.adopted import AdoptedProcess, adopt
from app.processes.tree import Identity
from pipeline.core.atomic_files import write_atomic

log = logging.getLogger(__name__)
OWNER_FILE: Final = "owner"


@dataclass(frozen=True)
class Record:
    """A service that was started, by the panel with the mark `owner`. `started_at` is in the form of ISO 8601."""

    owner: str
    leader: Identity
    digest: str
    port: int
    instance_id: str
    started_at: str
    is_unconfined: bool


class Records:
    """The records in `folder`. Those of another folder are nobody's here, also where it is a copy with all its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mark(self) -> str:
        """Return the mark of this folder's processes; made once, and another one for a copy of the folder."""
        path = self._folder / OWNER_FILE
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, secrets.token_hex(16).encode())
        return f"{path.read_text('ascii')}-{self._folder.stat().st_ino}"

    def write(self, name: ServiceName, record: Record) -> None:
        """Note what runs now. Without space for that, it is ended and started again by the next panel."""
        try:
            write_atomic(self._path(name), json.dumps(asdict(record)).encode())
        except OSError as error:
            log.warning("action=record_service service=%s error=%s", name, error)

    def remove(self, name: ServiceName) -> None:
        """Forget what ran. A disk that refuses keeps a record of a process that is gone, which nobody takes for another."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("action=forget_service service=%s error=%s", name, error)

    def read(self, name: ServiceName) -> tuple[Record, AdoptedProcess] | None:
        """Return what was noted and the process, if it is ours and still runs."""
        try:
            record = Record(**json.loads(self._path(name).read_bytes()))
            process = adopt(record.leader) if record.owner == self.mark() else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return None if process is None else (record, process)

    def running(self) -> dict[ServiceName, Record]:
        """Return what runs, whoever looks after it; changes nothing."""
        found = {name: self.read(name) for name in SERVICES} if (self._folder / OWNER_FILE).exists() else {}
        return {name: each[0] for name, each in found.items() if each is not None}

    def _path(self, name: ServiceName) -> Path:
        return self._folder / f"{name}.json"
