"""The last look at one service: what was seen, what is made of it, and how it is shown. Pure."""

from dataclasses import dataclass
from datetime import datetime

from app.panel.services.protocol import ABSENT, TITLES, Observed, RuntimeKind, ServiceName, ServiceSpec
from app.panel.services.queries import ServiceProblem, ServiceRow, ShownState
from app.panel.services.reconcile import NOTHING, Memory
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class Look:
    """The last look at one service; times but `ended_at` are monotonic seconds.

    `problem` keeps it from being as it should be, or, with `is_blind`, from being looked at; `told` is what the log said
    of it last, until it runs. `silence` is why it does not answer, "" when it does. `ended` is how
    it last ended by itself, `ended_at` when that was seen.
    """

    observed: Observed = ABSENT
    state: ShownState = "stopped"
    memory: Memory = NOTHING
    problem: ProblemError | None = None
    is_blind: bool = False
    told: str = ""
    silence: str = "It was not asked yet."
    probed: float = float("-inf")
    cpu_percent: float | None = None
    looked: float = 0.0
    last_lines: tuple[str, ...] = ()
    ended: ProblemError | None = None
    ended_at: datetime | None = None

    @property
    def serves(self) -> bool:
        """Whether it answers, as it should be or not."""
        return self.observed.state in {"running", "unhealthy"} and not self.silence

    @property
    def is_answering(self) -> bool:
        """Whether it may be used: it answers and nothing is about to replace it."""
        return self.serves and self.state in {"running", "unhealthy"}

    @property
    def hindered(self) -> ShownState:
        """What to show while `problem` is in the way: an old instance that serves on is not down."""
        return "unhealthy" if self.serves else "blocked"


def row(
    name: ServiceName,
    look: Look,
    spec: ServiceSpec | None,
    *,
    kind: RuntimeKind,
    url: str,
    port: int,
    now: datetime,
    next_try_at: datetime,
) -> ServiceRow:
    """How it is shown; `spec` is None as long as the runtime cannot say where it would be."""
    started_at = look.observed.started_at if look.observed.state not in {"absent", "exited"} else None
    return ServiceRow(
        name=name,
        title=TITLES[name],
        state=look.state,
        detail="" if look.state == "running" else (look.problem.what if look.problem else _detail(look)),
        url=url,
        port=port,
        started_at=started_at,
        uptime_s=(now - started_at).total_seconds() if started_at else None,
        memory_bytes=look.observed.memory_bytes,
        memory_limit_bytes=spec.memory_bytes if spec and kind == "docker" else None,
        cpu_percent=look.cpu_percent,
        n_processes=look.observed.n_processes,
        n_restarts=look.memory.n_restarts,
        next_try_at=next_try_at if look.state in {"backing-off", "crash-looping", "blocked"} else None,
        problem=_shown(look.problem),
        last_lines=look.last_lines,
        ended=_shown(look.ended),
        ended_at=look.ended_at,
    )


def cpu_percent(before: Look, observed: Observed, now: float) -> float | None:
    """Of one core, since the look before; None where that is not known."""
    was = before.observed
    if observed.cpu_s is None or was.cpu_s is None or observed.instance_id != was.instance_id:
        return None
    if observed.cpu_s == was.cpu_s or now <= before.looked:
        return before.cpu_percent
    return max(0.0, 100.0 * (observed.cpu_s - was.cpu_s) / (now - before.looked))


def _detail(look: Look) -> str:
    return look.silence or look.observed.reason


def _shown(problem: ProblemError | None) -> ServiceProblem | None:
    return ServiceProblem(problem.id, problem.what, problem.why, problem.fix, problem.command) if problem else None
