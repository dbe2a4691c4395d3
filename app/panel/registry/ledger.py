"""The journal of versions and deployments beside the pointer: one JSON object a line, added after each commit.

It lies where the bundles lie, so that a history that was lost can be told from that folder alone; the API reads it, too.
A line about a deployment or a version replaces an earlier one about the same.
"""

import json
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.panel.registry.tables import Deployment, ModelVersion
from pipeline.core.atomic_files import fsync_dir
from pipeline.core.ledger import LEDGER_FILE

log = logging.getLogger(__name__)

Line = dict[str, Any]


class Ledger:
    """Thread-safe. A disk that refuses costs no deployment: what is missing is added at the next start."""

    def __init__(self, models_dir: Path) -> None:
        self._path = models_dir / LEDGER_FILE
        self._lock = threading.Lock()

    def append(self, lines: Iterable[Line]) -> None:
        """Add lines, durably, and log where that fails."""
        data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        try:
            with self._lock:
                self._append(data)
        except OSError as error:
            log.warning("action=write_ledger error=%s", error)

    def _append(self, data: bytes) -> None:
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data  # the panel was killed, or the disk was full, in the middle of a line
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            fsync_dir(self._path.parent)


def version_line(row: ModelVersion) -> Line:
    """Return the line of a version, whose other members are in its manifest."""
    return {
        "event": "version",
        **row.model_dump(mode="json", include={"version", "run_id", "bundle", "decision", "reason"}),
    }


def deployment_line(row: Deployment) -> Line:
    """Return the line of a deployment."""
    return {"event": "deployment", **row.model_dump(mode="json")}


def read_ledger(models_dir: Path) -> tuple[dict[int, Line], dict[int, Deployment]]:
    """Return what the journal says: lines of versions by number, and deployments by their id. Broken lines are left out."""
    versions: dict[int, Line] = {}
    deployments: dict[int, Deployment] = {}
    try:
        content = (models_dir / LEDGER_FILE).read_bytes()
    except OSError:
        return versions, deployments
    for raw in content.split(b"\n"):
        try:
            line = json.loads(raw)
            match line.pop("event"):
                case "version":
                    versions[int(line["version"])] = line
                case "deployment":
                    row = Deployment.model_validate(line)
                    if row.id is not None:
                        deployments[row.id] = row
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return versions, deployments
