"""The latest status of one service: what was observed, what follows from it, and how it is shown. Pure."""

from dataclasses import dataclass
from datetime import datetime

from app.panel.services.protocol import ABSENT, TITLES, Observed, RuntimeKind, ServiceName, ServiceSpec
from app.panel.services.reconcile import EMPTY, RestartHistory
from app.panel.services.views import ServiceProblem, ServiceRow, ShownState
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class ServiceStatus:
    """The latest status of one service; times but `ended_at` are monotonic seconds.

    `problem` keeps it from being as it should be, or, with `is_unobservable`, from being observed; `last_logged` is the
    problem that the log names already, until the service runs. `not_ready_reason` is why it does not respond, "" when
    it does. `sampled_at` is when `cpu_s` last changed. `ended` is how it last ended by itself, `ended_at` when that was
    seen.
    """

    observed: Observed = ABSENT
    state: ShownState = "stopped"
    history: RestartHistory = EMPTY
    problem: ProblemError | None = None
    is_unobservable: bool = False
    last_logged: str = ""
    not_ready_reason: str = "Not checked yet."
    probed_at: float = float("-inf")
    cpu_percent: float | None = None
    sampled_at: float = 0.0
    last_lines: tuple[str, ...] = ()
    ended: ProblemError | None = None
    ended_at: datetime | None = None

    @property
    def is_serving(self) -> bool:
        """Return True if it responds, whether or not it is as specified."""
        return self.observed.state in {"running", "unhealthy"} and not self.not_ready_reason

    @property
    def is_ready(self) -> bool:
        """Return True if it may be used: it responds and nothing is about to replace it."""
        return self.is_serving and self.state in {"running", "unhealthy"}

    @property
    def degraded_state(self) -> ShownState:
        """Return the state to show while `problem` lasts: an old instance that keeps serving is not down."""
        return "unhealthy" if self.is_serving else "blocked"


def service_row(
    name: ServiceName,
    status: ServiceStatus,
    spec: ServiceSpec | None,
    *,
    kind: RuntimeKind,
    url: str,
    port: int,
    now: datetime,
    next_try_at: datetime,
) -> ServiceRow:
    """Return the status as it is shown; `spec` is None as long as the runtime cannot say where the service would be."""
    observed = status.observed
    started_at = observed.started_at if observed.state not in {"absent", "exited"} else None
    return ServiceRow(
        name=name,
        title=TITLES[name],
        state=status.state,
        detail="" if status.state == "running" else (status.problem.what if status.problem else _detail(status)),
        url=url,
        port=port,
        started_at=started_at,
        uptime_s=(now - started_at).total_seconds() if started_at else None,
        memory_bytes=observed.memory_bytes,
        memory_limit_bytes=spec.memory_bytes if spec and kind == "docker" else None,
        cpu_percent=status.cpu_percent,
        n_processes=observed.n_processes,
        n_restarts=status.history.n_restarts,
        next_try_at=next_try_at if status.state in {"backing-off", "crash-looping", "blocked"} else None,
        problem=_service_problem(status.problem),
        last_lines=status.last_lines,
        ended=_service_problem(status.ended),
        ended_at=status.ended_at,
    )


def cpu_percent(before: ServiceStatus, observed: Observed, now: float) -> float | None:
    """Return the use of one core since the status before, in percent; None where that is not known."""
    previous = before.observed
    if observed.cpu_s is None or previous.cpu_s is None or observed.instance_id != previous.instance_id:
        return None
    if observed.cpu_s == previous.cpu_s or now <= before.sampled_at:
        return before.cpu_percent
    return max(0.0, 100.0 * (observed.cpu_s - previous.cpu_s) / (now - before.sampled_at))


def _detail(status: ServiceStatus) -> str:
    return status.not_ready_reason or status.observed.reason


def _service_problem(problem: ProblemError | None) -> ServiceProblem | None:
    return ServiceProblem(problem.id, problem.what, problem.why, problem.fix, problem.command) if problem else None
