"""Services as processes that outlive the panel: for a machine with nothing but Python.

Departures from a container: the CPU limit is not enforced, and memory is by what is allocated.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.panel.services.problems import RunsAsRootError, ServiceStartError
from app.panel.services.process import ports
from app.panel.services.process.confinement import own_folder
from app.panel.services.process.service_processes import ServiceProcess, ServiceProcesses
from app.panel.services.process.usage import Usage, family, measure
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
from app.processes.ends import when_ended
from app.web import handover
from pipeline.core.disk import disk_problem
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

# Reading PSS walks the page tables of a process; once a second would be felt.
USAGE_EVERY_S: Final = 5.0
GRACE_S: Final = 3.0
# A moment longer than servers give the requests that they are answering.
REPLACED_GRACE_S: Final = 6.0
_POLL_S: Final = 0.05


class ProcessRuntime:
    """See `protocol.Runtime`. Logs, and what runs, lie in `folder`; one panel at a time uses a folder.

    What the panel before left is taken over with the first look at it: nothing of it is started again that is as it
    should be.
    """

    def __init__(self, placement: Placement, folder: Path) -> None:
        self._placement = placement
        self._folder = folder
        self._processes = ServiceProcesses(folder)
        self._running: dict[ServiceName, ServiceProcess] = {}
        self._usage: dict[ServiceName, Usage] = {}
        self._locks: dict[ServiceName, threading.RLock] = {name: threading.RLock() for name in SERVICES}
        self._is_taken_over: set[ServiceName] = set()
        self._notify_end: Callable[[ServiceName], None] = lambda _: None

    @property
    def placement(self) -> Placement:
        """See Runtime."""
        return self._placement

    def ensure(self, spec: ServiceSpec) -> None:
        """See Runtime. A replaced service ends once the new one listens; one that writes files, before that one starts."""
        with self._locks[spec.name]:
            service = self._find(spec.name)
            if service is not None and service.process.is_alive():
                if service.digest == spec.digest:
                    return
                if handover.IS_POSSIBLE and own_folder(spec) is None and self._owns_port(service):
                    self._replace(service, spec)
                    return
                self.stop(spec.name)
            # What is left of it would hold its port.
            self._processes.sweep(spec.name)
            ports.check_free(spec.host, spec.listen_port, spec.port_setting)
            self._keep(spec.name, self._start(spec))

    def restart(self, spec: ServiceSpec) -> None:
        """See Runtime."""
        with self._locks[spec.name]:
            self.stop(spec.name)
            self.ensure(spec)

    def stop(self, name: ServiceName, *, grace_s: float = GRACE_S) -> None:
        """See Runtime."""
        with self._locks[name]:
            service = self._find(name)
            if service is not None:
                service.process.end(grace_s)
                self._running.pop(name)
            self._processes.sweep(name)
            self._processes.forget(name)

    def observe(self, name: ServiceName) -> Observed:
        """See Runtime. `running` means that a process of this service holds the port, so that what responds is ours."""
        with self._locks[name]:
            service = self._find(name)
            if service is None:
                return ABSENT
            self._log(name).rotate()
            if not service.process.is_alive():
                return Observed(
                    "exited",
                    digest=service.digest,
                    instance_id=service.instance_id,
                    started_at=service.started_at,
                    exit_code=service.process.exit_code,
                    reason=_exit_reason(service.process.exit_code),
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
        """See Runtime."""
        for name in SERVICES:
            with self._locks[name]:
                service = self._running.pop(name, None)
                if service is not None and service.process.is_alive():
                    service.process.leave()

    def _find(self, name: ServiceName) -> ServiceProcess | None:
        """Return the service that runs or did; the first time it is looked for, as the panel before left it."""
        if name not in self._is_taken_over:
            found = self._processes.find(name)
            if found is not None:
                log.info("action=adopt_service service=%s pid=%s", name, found.process.pid)
                self._take(name, found)
            # What a panel was killed over: a start that it had not noted, an end that it had not finished.
            self._processes.sweep(name, keep=found)
            self._is_taken_over.add(name)
        return self._running.get(name)

    def _replace(self, old: ServiceProcess, spec: ServiceSpec) -> None:
        """Start the new one beside the old one, and end that. Raises SVC-01, PORT-nn; then the old one keeps serving."""
        self._processes.sweep(spec.name, keep=old)
        if old.port != spec.listen_port:
            ports.check_free(spec.host, spec.listen_port, spec.port_setting)
        new = self._start(spec, {handover.REPLACES: "true"})
        deadline = time.monotonic() + spec.start_s
        while not self._owns_port(new):
            is_over = time.monotonic() >= deadline
            if is_over or not new.process.is_alive():
                new.process.end(0.0)
                why = "It does not listen." if is_over else _exit_reason(new.process.exit_code)
                raise ServiceStartError.of_replacement(spec.name, why)
            time.sleep(_POLL_S)
        self._keep(spec.name, new)
        old.process.end(REPLACED_GRACE_S)

    def _owns_port(self, service: ServiceProcess) -> bool:
        service.owns_port = service.owns_port or ports.is_listening(family(service.process.pid), service.port)
        return service.owns_port

    def _keep(self, name: ServiceName, service: ServiceProcess) -> None:
        self._take(name, service)
        self._usage.pop(name, None)
        self._processes.note(name, service)

    def _take(self, name: ServiceName, service: ServiceProcess) -> None:
        self._running[name] = service
        when_ended(service.process.pid, lambda: self._notify_end(name))

    def _start(self, spec: ServiceSpec, env: Mapping[str, str] | None = None) -> ServiceProcess:
        try:
            for mount in spec.mounts:
                Path(mount.path).mkdir(parents=True, exist_ok=True)
            output = self._log(spec.name).open()
        except OSError as error:
            folders = [self._folder, *(Path(mount.path) for mount in spec.mounts)]
            reason = ServiceStartError.of_process(spec.name, f"{error.strerror or error}.")
            raise disk_problem(error, folders, f"{TITLES[spec.name]} cannot be started") or reason from error
        try:
            return self._processes.start(spec, CODE_DIR, output, env)
        finally:
            # The child has its own copy.
            os.close(output)

    def _observe_running(self, name: ServiceName, service: ServiceProcess) -> Observed:
        now = time.monotonic()
        usage = self._usage.get(name)
        if not service.owns_port or usage is None or now - usage.at >= USAGE_EVERY_S:
            members = family(service.process.pid)
            is_new_owner = not service.owns_port and ports.is_listening(members, service.port)
            service.owns_port = service.owns_port or is_new_owner
            if is_new_owner or usage is None or now - usage.at >= USAGE_EVERY_S:
                usage = measure(members, now)
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

    def _port_check(self, spec: ServiceSpec) -> Check:
        with self._locks[spec.name]:
            service = self._find(spec.name)
            is_ours = service is not None and service.process.is_alive()
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


def _exit_reason(code: int | None) -> str:
    """Return how a process ended, for people."""
    if code is None:
        return "How is not known: an earlier panel had started it."
    if code == -signal.SIGKILL:
        return "Killed (signal 9): manually, or by the system because memory ran out."
    if code < 0:
        return f"Ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})."
    return f"Ended with exit code {code}."
