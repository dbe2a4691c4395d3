"""Keeps the services running: observes, compares with what should be, acts, and observes again.

Level-triggered: nothing depends on having seen an event. A thread for each service observes and acts, so that one that
takes long to be replaced does not hold up the others; the verbs may be called from any other thread.
"""

import logging
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.panel.clock import Clock
from app.panel.services import http_client
from app.panel.services.problems import ServiceEndedError, ServiceNotReadyError
from app.panel.services.protocol import LogChunk, Observed, Runtime, ServiceName, ServiceSpec
from app.panel.services.reconcile import EMPTY, decide, failed
from app.panel.services.specs import DesiredServices
from app.panel.services.status import ServiceStatus, cpu_percent, service_row
from app.panel.services.views import ServiceRow, ServicesView
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
CHECK_SOON_S: Final = 0.1
PROBE_EVERY_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 3.0
FULL: Final = (503, "Service Unavailable")  # our servers say it so to all that is too much, and in JSON otherwise
LAST_LINES: Final = 20

Probe = Callable[[str], str]


def http_probe(url: str, tls: ssl.SSLContext | None = None) -> str:
    """Return "" if the URL responds with 2xx, else why it is not ready.

    A server that has all the connections it takes is ready: a restart would cut off those that it serves.
    """
    response = http_client.get(url, PROBE_TIMEOUT_S, tls)
    if response.is_ok or (response.status, response.body) == FULL:
        return ""
    return f"It responds with status {response.status}." if response.status else f"No response: {response.body}."


class ServiceSupervisor:
    """Makes `runtime` run the desired services, in that order. Sync; its verbs are thread-safe."""

    def __init__(self, runtime: Runtime, desired: DesiredServices, clock: Clock, probe: Probe = http_probe) -> None:
        self._runtime = runtime
        self._desired = desired
        self._specs: Mapping[ServiceName, ServiceSpec] | None = None
        self._clock = clock
        self._probe = probe
        self._statuses: dict[ServiceName, ServiceStatus] = {name: ServiceStatus() for name in desired.ports}
        self._locks = {name: threading.Lock() for name in desired.ports}
        self._wake = {name: threading.Event() for name in desired.ports}
        self._checked = threading.Condition()
        self._is_stopping = False
        # Whether `close` ends the services as well.
        self.ends_services = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start to supervise, in threads of its own; returns at once."""
        self._runtime.notify_ends(lambda name: self._wake[name].set())
        self._threads = [
            threading.Thread(target=self._loop, args=(name,), name=f"supervisor-{name}", daemon=True)
            for name in self._statuses
        ]
        for thread in self._threads:
            thread.start()

    def hold(self) -> None:
        """Start and replace nothing any more: what ends from here on was ended with the panel. From any thread, at once."""
        self._is_stopping = True
        for wake in self._wake.values():
            wake.set()

    def close(self) -> None:
        """Stop supervising. Services stay as they are, for the next panel, unless `ends_services` is set."""
        self.hold()
        for thread in self._threads:
            thread.join()
        if self.ends_services:
            with ThreadPoolExecutor(len(self._statuses)) as at_once:
                list(at_once.map(self._runtime.stop, self._statuses))
        self._runtime.close()

    @property
    def runtime(self) -> Runtime:
        """Return the runtime that runs the services."""
        return self._runtime

    def specs(self) -> Mapping[ServiceName, ServiceSpec]:
        """Return what should run. Raises ProblemError (DOCK-nn) as long as the runtime cannot say where."""
        if self._specs is None:
            self._specs = self._desired.build(self._runtime.placement)
        return self._specs

    def view(self) -> ServicesView:
        """Return the latest status of all services; costs nothing."""
        rows = tuple(self._row(name, status) for name, status in self._statuses.items())
        return ServicesView(self._desired.kind, all(row.state == "running" for row in rows), rows)

    def row(self, name: ServiceName) -> ServiceRow:
        """Return the latest status of one service; costs nothing."""
        return self._row(name, self._statuses[name])

    def restart(self, name: ServiceName) -> None:
        """Restart it now, whatever its back-off says. Raises ProblemError (PORT-01, ...) if it cannot be started."""
        with self._locks[name]:
            status = self._statuses[name]
            self._statuses[name] = replace(
                status,
                history=replace(EMPTY, n_restarts=status.history.n_restarts + 1),
                problem=None,
                state="starting",
                not_ready_reason="Just restarted.",
            )
            try:
                self._runtime.restart(self.specs()[name])
            except ProblemError as problem:
                self._statuses[name] = self._blocked(self._statuses[name], problem)
                raise
        self._wake[name].set()

    def log(self, name: ServiceName, after: int = 0) -> LogChunk:
        """Return its output after the cursor `after`; 0: its last lines."""
        return self._runtime.logs(name, after)

    def wait_ready(self, names: Iterable[ServiceName], timeout_s: float, stop: threading.Event) -> None:
        """Return when all of them respond; what does not run is tried at once, whatever its back-off says.

        Raises ProblemError: the one that keeps it from starting, else SVC-02 when the time is over or `stop` is set.
        """
        awaited = tuple(names)
        if all(self._statuses[name].is_ready for name in awaited):
            return
        deadline = self._clock.monotonic() + timeout_s
        for name in awaited:
            # Held as long as it is being replaced.
            while not self._locks[name].acquire(timeout=0.1):
                if stop.is_set() or self._clock.monotonic() >= deadline:
                    raise ServiceNotReadyError(name, self._statuses[name].not_ready_reason, timeout_s)
            status = self._statuses[name]
            history = replace(status.history, next_try=float("-inf"))
            self._statuses[name] = replace(status, history=history, problem=None)
            self._locks[name].release()
        while not all(self._statuses[name].is_ready for name in awaited):
            problem = next((p for name in awaited if (p := self._statuses[name].problem) is not None), None)
            if problem is not None:
                raise problem
            if stop.is_set() or self._clock.monotonic() >= deadline:
                name = next((name for name in awaited if not self._statuses[name].is_ready), awaited[0])
                raise ServiceNotReadyError(name, self._statuses[name].not_ready_reason, timeout_s)
            for name in awaited:
                self._wake[name].set()
            with self._checked:
                self._checked.wait(0.2)

    def url(self, name: ServiceName) -> str:
        """Return the base URL by which the panel reaches it, without trailing slash. Raises as `specs`."""
        return self._runtime.internal_url(self.specs()[name])

    def is_running(self, name: ServiceName) -> bool:
        """Return whether a service has its port and responds, as last observed."""
        return any(row.name == name and row.state == "running" for row in self.view().rows)

    def public_url(self, name: ServiceName) -> str:
        """Return the base URL for people on this machine, without trailing slash."""
        spec = self._specs.get(name) if self._specs is not None else None
        return self._runtime.public_url(spec) if spec else f"http://127.0.0.1:{self._desired.ports[name]}"

    def step(self, name: ServiceName) -> float:
        """Check one service and act where needed. Return in how many seconds to check again."""
        with self._locks[name]:
            self._statuses[name] = status = _log_change(name, self._reconcile(name, self._statuses[name]))
        with self._checked:
            self._checked.notify_all()
        return CHECK_SOON_S if status.state == "starting" else CHECK_EVERY_S

    def _loop(self, name: ServiceName) -> None:
        while not self._is_stopping:
            try:
                pause_s = self.step(name)
            except Exception:
                # Whatever it was, nobody would supervise the service any more.
                log.exception("action=supervise service=%s", name)
                pause_s = CHECK_EVERY_S
            self._wake[name].wait(pause_s)
            self._wake[name].clear()

    def _reconcile(self, name: ServiceName, status: ServiceStatus) -> ServiceStatus:
        now = self._clock.monotonic()
        try:
            spec = self.specs()[name]
            observed = self._runtime.observe(name)
        except ProblemError as problem:
            return replace(status, problem=problem, is_unobservable=True, state="blocked")
        if status.is_unobservable:
            status = replace(status, problem=None, is_unobservable=False)
        status = self._probed(spec, status, observed, now)
        decision = decide(spec, observed, not status.not_ready_reason, status.history, now)
        if decision.has_ended:
            status = self._ended(name, status, observed)
        n_restarts = status.history.n_restarts
        status = replace(
            status,
            observed=observed,
            state=decision.state,
            history=decision.history,
            cpu_percent=cpu_percent(status, observed, now),
            sampled_at=now if observed.cpu_s != status.observed.cpu_s else status.sampled_at,
        )
        if decision.state == "running":
            return replace(status, problem=None)
        if decision.action == "none":
            return status if status.problem is None else replace(status, state=status.degraded_state)
        # Shown meanwhile: this may take as long as a start, and nobody is to deploy to what is being replaced.
        self._statuses[name] = status
        try:
            if decision.action == "restart":
                log.warning("action=restart_service service=%s reason=%s", name, status.not_ready_reason)
                self._runtime.restart(spec)
            else:
                if observed.state not in {"absent", "exited", "foreign"} and not status.last_logged:
                    reason = observed.reason or "Its settings, its image or its name changed."
                    log.info("action=replace_service service=%s reason=%s", name, reason)
                self._runtime.ensure(spec)
        except ProblemError as problem:
            return self._blocked(replace(status, history=replace(status.history, n_restarts=n_restarts)), problem)
        return replace(status, problem=None, not_ready_reason="Just started.", probed_at=float("-inf"))

    def _ended(self, name: ServiceName, status: ServiceStatus, observed: Observed) -> ServiceStatus:
        """Return the status of a service that ended although nobody asked it to, once the log has said so."""
        if observed.state == "exited":
            status = replace(status, last_lines=self._last_lines(name))
            reason = observed.reason
        elif observed.state in {"absent", "foreign"}:
            reason = "Removed manually."
        else:
            reason = "Restarted from outside the panel."
        problem = observed.ended or ServiceEndedError(name, reason)
        log.warning("action=service_ended service=%s problem=%s", name, problem)
        return replace(status, ended=problem, ended_at=self._clock.now(), last_logged=problem.what)

    def _last_lines(self, name: ServiceName) -> tuple[str, ...]:
        """Return its last output, which may be gone with it."""
        try:
            return self._runtime.logs(name, 0, LAST_LINES).lines
        except ProblemError:
            return ()

    def _probed(self, spec: ServiceSpec, status: ServiceStatus, observed: Observed, now: float) -> ServiceStatus:
        if observed.state not in {"running", "unhealthy"}:
            reason = "Not running." if observed.state == "absent" else "Not listening yet."
            return replace(status, not_ready_reason=observed.reason or reason, probed_at=float("-inf"))
        is_known = not status.not_ready_reason and observed.instance_id == status.observed.instance_id
        if is_known and now - status.probed_at < PROBE_EVERY_S:
            return status
        reason = self._probe(self._runtime.internal_url(spec) + spec.ready_path)
        return replace(status, not_ready_reason=reason, probed_at=now)

    def _blocked(self, status: ServiceStatus, problem: ProblemError) -> ServiceStatus:
        history = failed(status.history, self._clock.monotonic())
        return replace(status, problem=problem, state=status.degraded_state, history=history)

    def _row(self, name: ServiceName, status: ServiceStatus) -> ServiceRow:
        return service_row(
            name,
            status,
            self._specs.get(name) if self._specs is not None else None,
            kind=self._desired.kind,
            url=self.public_url(name),
            port=self._desired.ports[name],
            now=self._clock.now(),
            next_try_at=self._next_try_at(status),
        )

    def _next_try_at(self, status: ServiceStatus) -> datetime:
        return self._clock.now() + timedelta(seconds=max(0.0, status.history.next_try - self._clock.monotonic()))


def _log_change(name: ServiceName, status: ServiceStatus) -> ServiceStatus:
    """Return the status, once the log has said what is new in it: each problem once, until the service runs again."""
    if status.state == "running" and status.last_logged:
        log.info("action=service_recovered service=%s", name)
        return replace(status, last_logged="")
    if status.problem is None or status.problem.what == status.last_logged:
        return status
    log.warning("action=service_blocked service=%s problem=%s", name, status.problem)
    return replace(status, last_logged=status.problem.what)
