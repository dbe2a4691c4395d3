"""Keeps the services running: looks, compares with what should be, acts, and looks again.

Level-triggered: nothing depends on having seen an event. A thread for each service looks and acts, so that one that
takes long to be replaced does not keep the others from being looked after; the verbs may be called from any other.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.panel.clock import Clock
from app.panel.services import http_client
from app.panel.services.problems import ServiceEndedError, ServiceNotReadyError
from app.panel.services.protocol import TITLES, LogChunk, Observed, Runtime, ServiceName, ServiceSpec
from app.panel.services.queries import ServiceRow, ServicesView
from app.panel.services.reconcile import NOTHING, decide, failed
from app.panel.services.specs import Wanted
from app.panel.services.status import Look, cpu_percent, row
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LOOK_SOON_S: Final = 0.1
PROBE_EVERY_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 3.0
LAST_LINES: Final = 20

Probe = Callable[[str], str]


def http_probe(url: str) -> str:
    """ "" if the URL answers 2xx, else why not."""
    answer = http_client.get(url, PROBE_TIMEOUT_S)
    if answer.is_ok:
        return ""
    return f"It answers with status {answer.status}." if answer.status else f"It does not answer: {answer.body}."


class ServiceSupervisor:
    """Makes `runtime` run what is wanted, in that order. Sync; its verbs are thread-safe."""

    def __init__(self, runtime: Runtime, wanted: Wanted, clock: Clock, probe: Probe = http_probe) -> None:
        self._runtime = runtime
        self._wanted = wanted
        self._built: Mapping[ServiceName, ServiceSpec] | None = None
        self._clock = clock
        self._probe = probe
        self._looks: dict[ServiceName, Look] = {name: Look() for name in wanted.ports}
        self._acting = {name: threading.Lock() for name in wanted.ports}
        self._wake = {name: threading.Event() for name in wanted.ports}
        self._looked = threading.Condition()
        self._is_stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to supervise, in threads of its own; returns at once."""
        self._threads = [
            threading.Thread(target=self._loop, args=(name,), name=f"supervisor-{name}", daemon=True)
            for name in self._looks
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop supervising and let the runtime go: processes end, containers stay."""
        self._is_stopping = True
        for wake in self._wake.values():
            wake.set()
        for thread in self._threads:
            thread.join()
        self._runtime.close()

    @property
    def runtime(self) -> Runtime:
        """What runs the services."""
        return self._runtime

    def specs(self) -> Mapping[ServiceName, ServiceSpec]:
        """What should run. Raises ProblemError (DOCK-nn) as long as the runtime cannot say where."""
        if self._built is None:
            self._built = self._wanted.build(self._runtime.place)
        return self._built

    def view(self) -> ServicesView:
        """The last look; costs nothing."""
        rows = tuple(self._row(name, look) for name, look in self._looks.items())
        return ServicesView(self._wanted.kind, all(row.state == "running" for row in rows), rows)

    def restart(self, name: ServiceName) -> None:
        """Restart it now, whatever its back-off says. Raises ProblemError (PORT-01, ...) if it cannot be started."""
        with self._acting[name]:
            look = self._looks[name]
            memory = replace(NOTHING, n_restarts=look.memory.n_restarts + 1)
            self._looks[name] = replace(
                look, memory=memory, problem=None, state="starting", silence="It was just restarted."
            )
            try:
                self._runtime.restart(self.specs()[name])
            except ProblemError as problem:
                self._looks[name] = self._blocked(self._looks[name], problem)
                raise
        self._wake[name].set()

    def log(self, name: ServiceName, after: int = 0) -> LogChunk:
        """What it wrote after the cursor `after`; 0: its last lines."""
        return self._runtime.logs(name, after)

    def wait_ready(self, names: Iterable[ServiceName], timeout_s: float, stop: threading.Event) -> None:
        """Return when all of them answer; what does not run is tried at once, whatever its back-off says.

        Raises ProblemError: the one that keeps it from starting, else SVC-02 when the time is over or `stop` is set.
        """
        wanted = tuple(names)
        if all(self._looks[name].is_answering for name in wanted):
            return
        deadline = self._clock.monotonic() + timeout_s
        for name in wanted:
            # Held as long as it is being replaced.
            while not self._acting[name].acquire(timeout=0.1):
                if stop.is_set() or self._clock.monotonic() >= deadline:
                    raise ServiceNotReadyError(name, self._looks[name].silence, timeout_s)
            look = self._looks[name]
            self._looks[name] = replace(look, memory=replace(look.memory, next_try=float("-inf")), problem=None)
            self._acting[name].release()
        while not all(self._looks[name].is_answering for name in wanted):
            problem = next((p for name in wanted if (p := self._looks[name].problem) is not None), None)
            if problem is not None:
                raise problem
            if stop.is_set() or self._clock.monotonic() >= deadline:
                name = next((name for name in wanted if not self._looks[name].is_answering), wanted[0])
                raise ServiceNotReadyError(name, self._looks[name].silence, timeout_s)
            for name in wanted:
                self._wake[name].set()
            with self._looked:
                self._looked.wait(0.2)

    def url(self, name: ServiceName) -> str:
        """Base URL by which the panel reaches it, without trailing slash. Raises as `specs`."""
        return self._runtime.internal_url(self.specs()[name])

    def public_url(self, name: ServiceName) -> str:
        """Base URL for people on this machine, without trailing slash."""
        spec = self._built.get(name) if self._built is not None else None
        return self._runtime.public_url(spec) if spec else f"http://127.0.0.1:{self._wanted.ports[name]}"

    def step(self, name: ServiceName) -> float:
        """Look at one service and act where needed. Returns in how many seconds to look again."""
        with self._acting[name]:
            self._looks[name] = look = _told(name, self._step(name, self._looks[name]))
        with self._looked:
            self._looked.notify_all()
        return LOOK_SOON_S if look.state == "starting" else LOOK_EVERY_S

    def _loop(self, name: ServiceName) -> None:
        while not self._is_stopping:
            try:
                pause_s = self.step(name)
            except Exception:
                # Whatever it was, nobody would look after the service any more.
                log.exception("The supervisor goes on after an unexpected error.")
                pause_s = LOOK_EVERY_S
            self._wake[name].wait(pause_s)
            self._wake[name].clear()

    def _step(self, name: ServiceName, look: Look) -> Look:
        now = self._clock.monotonic()
        try:
            spec = self.specs()[name]
            observed = self._runtime.observe(name)
        except ProblemError as problem:
            return replace(look, problem=problem, is_blind=True, state="blocked")
        if look.is_blind:
            look = replace(look, problem=None, is_blind=False)
        look = self._probed(spec, look, observed, now)
        n_restarts = look.memory.n_restarts
        decision = decide(spec, observed, not look.silence, look.memory, now)
        if decision.has_ended:
            look = self._ended(name, look, observed)
        look = replace(
            look,
            observed=observed,
            state=decision.state,
            memory=decision.memory,
            cpu_percent=cpu_percent(look, observed, now),
            looked=now if observed.cpu_s != look.observed.cpu_s else look.looked,
        )
        if decision.state == "running":
            return replace(look, problem=None)
        if decision.action == "none":
            return look if look.problem is None else replace(look, state=look.hindered)
        # Shown meanwhile: this may take as long as a start, and nobody is to deploy to what is being replaced.
        self._looks[name] = look
        try:
            if decision.action == "restart":
                log.warning("%s does not answer and is restarted. %s", TITLES[name], look.silence)
                self._runtime.restart(spec)
            else:
                if observed.state not in {"absent", "exited", "foreign"} and not look.told:
                    reason = observed.reason or "Its settings, its image or its name changed."
                    log.info("%s is not as it should be. %s", TITLES[name], reason)
                self._runtime.ensure(spec)
        except ProblemError as problem:
            return self._blocked(replace(look, memory=replace(look.memory, n_restarts=n_restarts)), problem)
        return replace(look, problem=None, silence="It was just started.", probed=float("-inf"))

    def _ended(self, name: ServiceName, look: Look, observed: Observed) -> Look:
        """It ended and nobody asked it to: what is kept of that, and said in the log."""
        if observed.state == "exited":
            look = replace(look, last_lines=self._last_lines(name))
            reason = observed.reason
        elif observed.state in {"absent", "foreign"}:
            reason = "Removed by hand."
        else:
            reason = "Started again from outside the panel."
        problem = observed.ended or ServiceEndedError(name, reason)
        log.warning("%s", problem)
        return replace(look, ended=problem, ended_at=self._clock.now(), told=problem.what)

    def _last_lines(self, name: ServiceName) -> tuple[str, ...]:
        """Its last words; they may be gone with it."""
        try:
            return self._runtime.logs(name, 0, LAST_LINES).lines
        except ProblemError:
            return ()

    def _probed(self, spec: ServiceSpec, look: Look, observed: Observed, now: float) -> Look:
        if observed.state not in {"running", "unhealthy"}:
            silence = "It is not there." if observed.state == "absent" else "It does not listen yet."
            return replace(look, silence=observed.reason or silence, probed=float("-inf"))
        is_known = not look.silence and observed.instance_id == look.observed.instance_id
        if is_known and now - look.probed < PROBE_EVERY_S:
            return look
        return replace(look, silence=self._probe(self._runtime.internal_url(spec) + spec.ready_path), probed=now)

    def _blocked(self, look: Look, problem: ProblemError) -> Look:
        memory = failed(look.memory, self._clock.monotonic())
        return replace(look, problem=problem, state=look.hindered, memory=memory)

    def _row(self, name: ServiceName, look: Look) -> ServiceRow:
        return row(
            name,
            look,
            self._built.get(name) if self._built is not None else None,
            kind=self._wanted.kind,
            url=self.public_url(name),
            port=self._wanted.ports[name],
            now=self._clock.now(),
            next_try_at=self._next_try_at(look),
        )

    def _next_try_at(self, look: Look) -> datetime:
        return self._clock.now() + timedelta(seconds=max(0.0, look.memory.next_try - self._clock.monotonic()))


def _told(name: ServiceName, look: Look) -> Look:
    """The look, once the log has said what is new in it: each problem once, until it runs again."""
    if look.state == "running" and look.told:
        log.info("%s answers again.", TITLES[name])
        return replace(look, told="")
    if look.problem is None or look.problem.what == look.told:
        return look
    log.warning("%s: %s", TITLES[name], look.problem)
    return replace(look, told=look.problem.what)
