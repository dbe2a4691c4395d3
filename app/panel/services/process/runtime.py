"""Services as child processes of the panel: for a machine with nothing but Python.

Departures from a container: the CPU limit is not enforced, memory is by what is allocated, and a service ends with the
panel.
"""

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from app.panel.services.problems import RunsAsRootError, ServiceStartError
from app.panel.services.process import ports
from app.panel.services.process.service_processes import ServiceProcess, ServiceProcesses
from app.panel.services.protocol import (
    ABSENT,
    SERVICES,
    TITLES,
    Check,
    LogChunk,
    Observed,
    Placement,
    ServiceName,
    ServiceSpec,
)
from app.panel.services.service_log import ServiceLog
from app.processes.child import CODE_DIR
from app.processes.tree import descendants
from pipeline.core.atomic_files import write_atomic
from pipeline.core.disk import disk_problem
from pipeline.core.problems import ProblemError

# Reading PSS walks the page tables of a process; once a second would be felt.
USAGE_EVERY_S: Final = 5.0
GRACE_S: Final = 3.0


@dataclass(frozen=True)
class _Usage:
    at: float
    memory_bytes: int
    cpu_s: float
    n_processes: int


class ProcessRuntime:
    """See `protocol.Runtime`. Logs and the owner mark lie in `folder`; one panel at a time uses a folder."""

    def __init__(self, placement: Placement, folder: Path) -> None:
        self._placement = placement
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._processes = ServiceProcesses(_owner(folder))
        self._running: dict[ServiceName, ServiceProcess] = {}
        self._usage: dict[ServiceName, _Usage] = {}
        self._locks: dict[ServiceName, threading.RLock] = {name: threading.RLock() for name in SERVICES}
        self._sweep_lock = threading.Lock()
        self._is_swept = False
        self._notify_end: Callable[[ServiceName], None] = lambda _: None

    @property
    def placement(self) -> Placement:
        """See Runtime."""
        return self._placement

    def ensure(self, spec: ServiceSpec) -> None:
        """See Runtime. A replaced service ends before the new one starts: two cannot have one port."""
        with self._locks[spec.name]:
            service = self._running.get(spec.name)
            if service is not None and service.process.poll() is None:
                if service.digest == spec.digest:
                    return
                self.stop(spec.name)
            self._sweep()
            ports.check_free(spec.host, spec.listen_port, spec.port_setting)
            self._start(spec)

    def restart(self, spec: ServiceSpec) -> None:
        """See Runtime."""
        with self._locks[spec.name]:
            self.stop(spec.name)
            self.ensure(spec)

    def stop(self, name: ServiceName, *, grace_s: float = GRACE_S) -> None:
        """See Runtime."""
        with self._locks[name]:
            service = self._running.pop(name, None)
            if service is not None:
                service.process.end(grace_s)

    def observe(self, name: ServiceName) -> Observed:
        """See Runtime. `running` means that a process of this service holds the port, so that what responds is ours."""
        with self._locks[name]:
            service = self._running.get(name)
            if service is None:
                return ABSENT
            self._log(name).rotate()
            code = service.process.poll()
            if code is not None:
                return Observed(
                    "exited",
                    digest=service.digest,
                    instance_id=service.instance_id,
                    started_at=service.started_at,
                    exit_code=code,
                    reason=_exit_reason(code),
                )
            return self._observe_running(name, service)

    def notify_ends(self, notify: Callable[[ServiceName], None]) -> None:
        """See Runtime."""
        self._notify_end = notify

    def logs(self, name: ServiceName, after: int = 0, limit: int = 500) -> LogChunk:
        """See Runtime."""
        return self._log(name).read(after, limit)

    def internal_url(self, spec: ServiceSpec) -> str:
        """See Runtime."""
        return f"{self._placement.scheme}://{self._placement.hosts[spec.name]}:{spec.listen_port}"

    def public_url(self, spec: ServiceSpec) -> str:
        """See Runtime."""
        return f"{self._placement.scheme}://{self._placement.hosts[spec.name]}:{spec.port}"

    def checks(self, specs: Mapping[ServiceName, ServiceSpec]) -> list[Check]:
        """Return a check for each port: free, or ours; and a warning for a service that runs as root and need not."""
        unconfined = [name for name, service in self._running.copy().items() if service.is_unconfined]
        return [
            *(self._port_check(spec) for spec in specs.values()),
            *(Check.failed(f"User of {TITLES[name]}", RunsAsRootError(name), "warning") for name in unconfined),
        ]

    def close(self) -> None:
        """End all services at once, then release everything."""
        for name in tuple(self._running):
            with self._locks[name]:
                service = self._running.get(name)
                if service is not None and service.process.poll() is None:
                    service.process.terminate()
        for name in tuple(self._running):
            self.stop(name)
        self._processes.close()

    def _start(self, spec: ServiceSpec) -> None:
        try:
            for mount in spec.mounts:
                Path(mount.path).mkdir(parents=True, exist_ok=True)
            output = self._log(spec.name).open()
        except OSError as error:
            folders = [self._folder, *(Path(mount.path) for mount in spec.mounts)]
            reason = ServiceStartError.of_process(spec.name, f"{error.strerror or error}.")
            raise disk_problem(error, folders, f"{TITLES[spec.name]} cannot be started") or reason from error
        try:
            service = self._running[spec.name] = self._processes.start(spec, CODE_DIR, output)
            service.process.when_ended(lambda: self._notify_end(spec.name))
        finally:
            # The child has its own copy.
            os.close(output)
        self._usage.pop(spec.name, None)

    def _observe_running(self, name: ServiceName, service: ServiceProcess) -> Observed:
        now = time.monotonic()
        usage = self._usage.get(name)
        if not service.owns_port or usage is None or now - usage.at >= USAGE_EVERY_S:
            family = _family(service.process.pid)
            is_new_owner = not service.owns_port and ports.is_listening(family, service.port)
            service.owns_port = service.owns_port or is_new_owner
            if is_new_owner or usage is None or now - usage.at >= USAGE_EVERY_S:
                usage = _measure(family, now)
                self._usage[name] = usage
        return Observed(
            "running" if service.owns_port else "starting",
            digest=service.digest,
            instance_id=service.instance_id,
            started_at=service.started_at,
            memory_bytes=usage.memory_bytes,
            cpu_s=usage.cpu_s,
            n_processes=usage.n_processes,
        )

    def _sweep(self) -> None:
        """Once, before the first start: what a killed panel left would hold our ports."""
        with self._sweep_lock:
            if not self._is_swept:
                self._processes.sweep()
                self._is_swept = True

    def _port_check(self, spec: ServiceSpec) -> Check:
        with self._locks[spec.name]:
            service = self._running.get(spec.name)
            is_ours = service is not None and service.process.poll() is None
        name = f"Port {spec.port}"
        if is_ours:
            return Check(f"port-{spec.port}", name, "ok", f"In use by this panel's {TITLES[spec.name]}.")
        try:
            ports.check_free(spec.host, spec.listen_port, spec.port_setting)
        except ProblemError as problem:
            return Check.failed(name, problem)
        return Check(f"port-{spec.port}", name, "ok", "Free.")

    def _log(self, name: ServiceName) -> ServiceLog:
        return ServiceLog(self._folder / f"{name}.log")


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, as far as they run."""
    family = []
    for member in (pid, *descendants(pid)):
        with contextlib.suppress(psutil.Error):
            family.append(psutil.Process(member))
    return family


def _measure(family: list[psutil.Process], now: float) -> _Usage:
    memory_bytes, cpu_s = 0, 0.0
    for process in family:
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu_s += times.user + times.system
            memory_bytes += _memory_bytes(process)
    return _Usage(now, memory_bytes, cpu_s, len(family))


def _memory_bytes(process: psutil.Process) -> int:
    """Return PSS, which counts shared pages once over all processes; or RSS where the system has no PSS."""
    try:
        return int(getattr(process.memory_full_info(), "pss", 0)) or int(process.memory_info().rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def _exit_reason(code: int) -> str:
    """Return how a process ended, for people."""
    if code == -signal.SIGKILL:
        return "Killed (signal 9): manually, or by the system because memory ran out."
    if code < 0:
        return f"Ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})."
    return f"Ended with exit code {code}."


def _owner(folder: Path) -> str:
    """Return the mark of this state folder's processes; made once."""
    path = folder / "owner"
    if not path.exists():
        write_atomic(path, secrets.token_hex(16).encode())
    return path.read_text("ascii")
