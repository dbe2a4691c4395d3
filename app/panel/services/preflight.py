"""Checks that this machine has what the panel needs: one named check for each thing that is known to go wrong."""

import os
import platform
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import psutil

from app.panel.clock import Clock
from app.panel.disk_room import Room, rooms
from app.panel.services.handed_over import read_api_key
from app.panel.services.problems import (
    DriftNeedsKeyError,
    FolderNotWritableError,
    LowDiskError,
    LowMemoryError,
    MlflowNotInstalledError,
    NetworkFileSystemError,
)
from app.panel.services.protocol import Check, CheckState
from app.panel.services.reconcile import HEALTHY_S
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.services.views import PreflightView, ServiceProblem, ServiceRow, ServicesView
from app.panel.settings import Settings
from pipeline.core.disk import existing
from pipeline.core.problems import ProblemError

# The failures that these bounds prevent: training on the built-in
# table takes 0.7 GB next to 0.6 GB of services.
RUNS_BEFORE_FULL: Final = 3
MEMORY_BYTES: Final = 2**30
FRESH_S: Final = 10.0
# Where SQLite's locks are not reliable.
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "fuse.sshfs",
        "afs",
        "ceph",
        "glusterfs",
        "fuse.glusterfs",
        "virtiofs",
    }
)


class Preflight:
    """Runs the checks, at most every ten seconds unless asked again. Sync and thread-safe."""

    def __init__(
        self,
        settings: Settings,
        services: ServiceSupervisor,
        clock: Clock,
        further: Callable[[], Iterable[Check]] = tuple,
    ) -> None:
        """`further` returns what others have to say, at once."""
        self._settings = settings
        self._services = services
        self._clock = clock
        self._further = further
        self._lock = threading.Lock()
        self._last: tuple[float, PreflightView] | None = None

    def view(self, *, again: bool = False) -> PreflightView:
        """Return the checks and the worst of their states."""
        with self._lock:
            now = self._clock.monotonic()
            if again or self._last is None or now - self._last[0] >= FRESH_S:
                self._last = (now, self._run())
            return self._last[1]

    def _run(self) -> PreflightView:
        checks = [
            *machine_checks(self._settings),
            *self._runtime_checks(),
            *self._further(),
        ]
        for check in service_checks(self._services.view(), self._clock.now()):
            # An engine that does not respond is the problem of all of them, and was named already.
            if (check.id, check.message) not in {(listed.id, listed.message) for listed in checks}:
                checks.append(check)
        states = {check.state for check in checks}
        worst: Literal["ok", "warning", "error"] = "ok"
        if "warning" in states:
            worst = "warning"
        if "error" in states:
            worst = "error"
        return PreflightView(worst, self._clock.now(), tuple(checks))

    def _runtime_checks(self) -> Iterable[Check]:
        try:
            return self._services.runtime.checks(self._services.specs())
        except ProblemError as problem:
            return [Check.failed("Runtime", problem)]


def service_checks(view: ServicesView, now: datetime) -> list[Check]:
    """Return what keeps a service from being as it should be, and what ended one in the last ten minutes."""
    checks = []
    for row in view.rows:
        if row.problem is not None:
            checks.append(_service_check(row, row.problem, "error"))
        elif row.ended is not None and row.ended_at is not None and now - row.ended_at < timedelta(seconds=HEALTHY_S):
            checks.append(_service_check(row, row.ended, "warning"))
    return checks


def machine_checks(settings: Settings) -> list[Check]:
    """Return the checks that need no runtime."""
    folders = (
        ("Data folder", settings.data_dir, "ML_PIPELINE_DATA"),
        ("State folder", settings.state_dir, "ML_PIPELINE_STATE"),
        ("Models folder", settings.models_dir, "ML_PIPELINE_MODELS"),
    )
    return [
        python_check(sys.version_info[:2]),
        *(_run_check(name, partial(check_writable, path, setting)) for name, path, setting in folders),
        *disk_checks(settings),
        _run_check("Memory", lambda: check_memory(psutil.virtual_memory().available)),
        _run_check("File system", lambda: check_file_system(file_system(settings.state_dir))),
        _run_check("MLflow", check_mlflow),
        *([_run_check("Drift", lambda: check_drift(read_api_key()))] if settings.drift_starts_run else []),
    ]


def python_check(version: tuple[int, ...]) -> Check:
    """Return the interpreter; the installer checks its version, so this is never a failure."""
    return Check("python", "Python", "ok", f"{platform.python_implementation()} {version[0]}.{version[1]}.")


def check_writable(folder: Path, setting: str) -> str:
    """Return where it is. Raises PERM-01 if nothing can be written there."""
    path = existing(folder)
    if not os.access(path, os.W_OK | os.X_OK):
        raise FolderNotWritableError(folder, setting, owner_uid=path.stat().st_uid)
    return f"{folder} is writable."


def disk_checks(settings: Settings) -> list[Check]:
    """Return a check for each disk that a run writes to."""
    try:
        found = rooms(settings)
    except ProblemError as problem:
        return [Check.failed("Disk", problem)]
    if len(found) == 1:
        return [_run_check("Disk", partial(check_disk, found[0]))]
    return [_run_check(f"Disk of {room.needs[0].title}", partial(check_disk, room)) for room in found]


def check_disk(room: Room) -> str:
    """Return how much is free. Raises DISK-02 if it is less than three runs need."""
    if room.free_bytes < RUNS_BEFORE_FULL * room.needed_bytes:
        raise LowDiskError(room)
    return f"{room.free_bytes / 2**30:.1f} GB are free on the disk of {room.where}."


def check_memory(available_bytes: int) -> str:
    """Return how much is available. Raises MEM-01 if training is likely to run out of it."""
    if available_bytes < MEMORY_BYTES:
        raise LowMemoryError(available_bytes)
    return f"{available_bytes / 2**30:.1f} GB of memory are available."


def check_file_system(kind: str) -> str:
    """Return the file system of the state folder. Raises FS-01 for a network file system, where locks cannot be trusted."""
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystemError(kind)
    return f"The state folder is on {kind or 'a local file system'}."


def check_mlflow() -> str:
    """Return that MLflow is installed. Raises MLF-03 if not."""
    if find_spec("mlflow") is None:
        raise MlflowNotInstalledError
    return "Installed."


def check_drift(api_key: str) -> str:
    """Return that drift starts runs. Raises DRIFT-01 if anybody can send the rows that would decide."""
    if not api_key:
        raise DriftNeedsKeyError
    return "Drift starts a run, once for each live model."


def file_system(folder: Path) -> str:
    """Return the type of the file system below a folder, in lower case; "" where that is not known."""
    path = existing(folder).resolve()
    mounts = [(Path(part.mountpoint), part.fstype.lower()) for part in psutil.disk_partitions(all=True)]
    below = [(len(mount.parts), kind) for mount, kind in mounts if path.is_relative_to(mount)]
    return max(below, default=(0, ""))[1]


def _run_check(name: str, check: Callable[[], str]) -> Check:
    """Return a passed check, or the problem as one: a warning where it may pass by itself, else an error."""
    try:
        return Check(name.lower().replace(" ", "-"), name, "ok", check())
    except ProblemError as problem:
        return Check.failed(name, problem, "warning" if problem.retryable else "error")


def _service_check(row: ServiceRow, problem: ServiceProblem, state: CheckState) -> Check:
    return Check(problem.id, row.title, state, problem.what, problem.why, problem.fix, problem.command)
