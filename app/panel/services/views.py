"""The contents of the services page: frozen views, made from the supervisor's latest status."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.panel.services.protocol import Check, ServiceName

# starting: it lives and does not respond yet. backing-off: it ended and will be started at `next_try_at`.
# crash-looping: as that, after five quick ends. blocked: it cannot be started, `problem` says why. unhealthy: it does
# not respond any more; or, with a `problem`, it keeps serving and what should replace it cannot be started.
ShownState = Literal["starting", "running", "unhealthy", "backing-off", "crash-looping", "blocked", "stopped"]


@dataclass(frozen=True)
class ServiceProblem:
    """A ProblemError as it is shown."""

    id: str
    what: str
    why: str
    fix: str
    command: str


@dataclass(frozen=True)
class ServiceRow:
    """One service. None: not known, not running, or (the memory limit) not enforced. `cpu_percent` is of one core, since the check before.

    `detail` is one line: why it is not running, or, for an API without a model, that it waits for one.
    `last_lines` are the last lines that it wrote before it last ended. `ended`: how it last ended by itself, and when.
    """

    name: ServiceName
    title: str
    state: ShownState
    detail: str
    url: str
    port: int
    started_at: datetime | None
    uptime_s: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    cpu_percent: float | None
    n_processes: int | None
    n_restarts: int
    next_try_at: datetime | None
    problem: ServiceProblem | None
    last_lines: tuple[str, ...]
    ended: ServiceProblem | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class ServicesView:
    """The services page. `is_healthy`: all run and respond."""

    runtime: str
    is_healthy: bool
    rows: tuple[ServiceRow, ...]


@dataclass(frozen=True)
class PreflightView:
    """The preflight strip. `state` is the worst of the checks."""

    state: Literal["ok", "warning", "error"]
    checked_at: datetime
    checks: tuple[Check, ...]
