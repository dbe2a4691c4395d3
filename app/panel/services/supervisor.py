"""Keeps the services running: looks, compares with what should be, acts, and looks again.

Level-triggered: nothing depends on having seen an event. One thread does all looking and acting; the verbs may be
called from any other.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.panel.clock import Clock
from app.panel.services import answers
from app.panel.services.protocol import ABSENT, TITLES, LogChunk, Observed, Runtime, ServiceName, ServiceSpec
from app.panel.services.queries import ServiceProblem, ServiceRow, ServicesView, ShownState
from app.panel.services.reconcile import NOTHING, Memory, decide, failed
from app.panel.services.specs import Wanted
from pipeline.errors import ProblemError

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LOOK_SOON_S: Final = 0.1
PROBE_EVERY_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 3.0
LAST_LINES: Final = 20

Probe = Callable[[str], str]


def http_probe(url: str) -> str:
    """ "" if the URL answers 2xx, else why not."""
    answer = answers.get(url, PROBE_TIMEOUT_S)
    if answer.is_ok:
        return ""
    return f"It answers with status {answer.status}." if answer.status else f"It does not answer: {answer.body}."


@dataclass(frozen=True)
class _Look:
    """The last look at one service."""

    observed: Observed = ABSENT
    state: ShownState = "stopped"
    memory: Memory = NOTHING
    problem: ProblemError | None = None
    silence: str = "It was not asked yet."
    probed: float = float("-inf")
    cpu_percent: float | None = None
    looked: float = 0.0
    last_lines: tuple[str, ...] = ()


class ServiceSupervisor:
    """Makes `runtime` run what is wanted, in that order. Sync; its verbs are thread-safe."""

    def __init__(self, runtime: Runtime, wanted: Wanted, clock: Clock, probe: Probe = http_probe) -> None:
        self._runtime = runtime
        self._wanted = wanted
        self._built: Mapping[ServiceName, ServiceSpec] | None = None
        self._clock = clock
        self._probe = probe
        self._looks: dict[ServiceName, _Look] = {name: _Look() for name in wanted.ports}
        self._acting = {name: threading.Lock() for name in wanted.ports}
        self._wake = threading.Event()
        self._looked = threading.Condition()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to supervise, in a thread of its own; returns at once."""
        self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop supervising and let the runtime go: processes end, containers stay."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
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
        self._wake.set()

    def log(self, name: ServiceName, after: int = 0) -> LogChunk:
        """What it wrote after the cursor `after`; 0: its last lines."""
        return self._runtime.logs(name, after)

    def wait_ready(self, names: Iterable[ServiceName], timeout_s: float, stop: threading.Event) -> None:
        """Return when all of them answer; what does not run is tried at once, whatever its back-off says.

        Raises ProblemError: the one that keeps it from starting, else SVC-02 when the time is over or `stop` is set.
        """
        wanted = tuple(names)
        if all(self._is_answering(name) for name in wanted):
            return
        for name in wanted:
            with self._acting[name]:
                look = self._looks[name]
                self._looks[name] = replace(look, memory=replace(look.memory, next_try=float("-inf")), problem=None)
        deadline = self._clock.monotonic() + timeout_s
        while not all(self._is_answering(name) for name in wanted):
            problem = next((p for name in wanted if (p := self._looks[name].problem) is not None), None)
            if problem is not None:
                raise problem
            if stop.is_set() or self._clock.monotonic() >= deadline:
                name = next((name for name in wanted if not self._is_answering(name)), wanted[0])
                raise _not_ready(name, self._looks[name], timeout_s)
            self._wake.set()
            with self._looked:
                self._looked.wait(0.2)

    def url(self, name: ServiceName) -> str:
        """Base URL by which the panel reaches it, without trailing slash. Raises as `specs`."""
        return self._runtime.internal_url(self.specs()[name])

    def public_url(self, name: ServiceName) -> str:
        """Base URL for people on this machine, without trailing slash."""
        spec = self._built.get(name) if self._built is not None else None
        return self._runtime.public_url(spec) if spec else f"http://127.0.0.1:{self._wanted.ports[name]}"

    def step(self) -> float:
        """Look at each service once and act where needed. Returns in how many seconds to look again."""
        for name in self._looks:
            with self._acting[name]:
                self._looks[name] = self._step(name, self._looks[name])
        with self._looked:
            self._looked.notify_all()
        return LOOK_SOON_S if any(look.state == "starting" for look in self._looks.values()) else LOOK_EVERY_S

    def _loop(self) -> None:
        while not self._is_stopping:
            try:
                pause_s = self.step()
            except Exception:
                # Whatever it was, nobody would look after the services any more.
                log.exception("The supervisor goes on after an unexpected error.")
                pause_s = LOOK_EVERY_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def _step(self, name: ServiceName, look: _Look) -> _Look:
        now = self._clock.monotonic()
        try:
            spec = self.specs()[name]
            observed = self._runtime.observe(name)
        except ProblemError as problem:
            return replace(look, problem=problem, state="blocked")
        look = self._probed(spec, look, observed, now)
        decision = decide(spec, observed, not look.silence, look.memory, now)
        has_ended = observed.state == "exited" and look.memory.instance_id != ""
        lines = self._last_lines(name) if has_ended else look.last_lines
        look = replace(
            look,
            observed=observed,
            state="blocked" if look.problem is not None and decision.action == "none" else decision.state,
            memory=decision.memory,
            cpu_percent=_cpu_percent(look, observed, now),
            looked=now if observed.cpu_s != look.observed.cpu_s else look.looked,
            last_lines=lines,
        )
        if decision.action == "none":
            return replace(look, problem=None) if decision.state == "running" else look
        try:
            if decision.action == "restart":
                self._runtime.restart(spec)
            else:
                self._runtime.ensure(spec)
        except ProblemError as problem:
            return self._blocked(look, problem)
        return replace(look, problem=None, silence="It was just started.", probed=float("-inf"))

    def _last_lines(self, name: ServiceName) -> tuple[str, ...]:
        """Its last words; they may be gone with it."""
        try:
            return self._runtime.logs(name, 0, LAST_LINES).lines
        except ProblemError:
            return ()

    def _probed(self, spec: ServiceSpec, look: _Look, observed: Observed, now: float) -> _Look:
        if observed.state not in {"running", "unhealthy"}:
            return replace(look, silence=observed.reason or "It does not listen yet.", probed=float("-inf"))
        is_known = not look.silence and observed.instance_id == look.observed.instance_id
        if is_known and now - look.probed < PROBE_EVERY_S:
            return look
        return replace(look, silence=self._probe(self._runtime.internal_url(spec) + spec.ready_path), probed=now)

    def _blocked(self, look: _Look, problem: ProblemError) -> _Look:
        return replace(look, problem=problem, state="blocked", memory=failed(look.memory, self._clock.monotonic()))

    def _is_answering(self, name: ServiceName) -> bool:
        look = self._looks[name]
        return look.state == "running" and not look.silence

    def _row(self, name: ServiceName, look: _Look) -> ServiceRow:
        spec = self._built.get(name) if self._built is not None else None
        started_at = look.observed.started_at if look.observed.state not in {"absent", "exited"} else None
        problem = look.problem
        is_waiting = look.state in {"backing-off", "crash-looping", "blocked"}
        return ServiceRow(
            name=name,
            title=TITLES[name],
            state=look.state,
            detail="" if look.state == "running" else (problem.what if problem else look.silence),
            url=self.public_url(name),
            port=self._wanted.ports[name],
            started_at=started_at,
            uptime_s=(self._clock.now() - started_at).total_seconds() if started_at else None,
            memory_bytes=look.observed.memory_bytes,
            memory_limit_bytes=spec.memory_bytes if spec and self._wanted.kind == "docker" else None,
            cpu_percent=look.cpu_percent,
            n_processes=look.observed.n_processes,
            n_restarts=look.memory.n_restarts,
            next_try_at=self._next_try_at(look) if is_waiting else None,
            problem=ServiceProblem(problem.id, problem.what, problem.why, problem.fix, problem.command)
            if problem
            else None,
            last_lines=look.last_lines,
        )

    def _next_try_at(self, look: _Look) -> datetime:
        return self._clock.now() + timedelta(seconds=max(0.0, look.memory.next_try - self._clock.monotonic()))


def _cpu_percent(look: _Look, observed: Observed, now: float) -> float | None:
    before = look.observed
    if observed.cpu_s is None or before.cpu_s is None or observed.instance_id != before.instance_id:
        return None
    if observed.cpu_s == before.cpu_s or now <= look.looked:
        return look.cpu_percent
    return max(0.0, 100.0 * (observed.cpu_s - before.cpu_s) / (now - look.looked))


def _not_ready(name: ServiceName, look: _Look, timeout_s: float) -> ProblemError:
    return ProblemError(
        "SVC-02",
        f"{TITLES[name]} is not ready after {timeout_s:.0f} s.",
        why=look.silence or "It did not answer in time.",
        fix="Read its log on the services page; the supervisor goes on trying.",
        command="ml-pipeline status",
        retryable=True,
        status=503,
    )
