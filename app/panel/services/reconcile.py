"""What to do about one service: from what should be, what is, and what was. Pure; time is an argument."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from app.panel.services.protocol import Observed, ServiceSpec
from app.panel.services.queries import ShownState

Action = Literal["none", "ensure", "restart"]

MAX_DELAY_S: Final = 60.0
QUICK_ENDS_SHOWN: Final = 5
HEALTHY_S: Final = 600.0
# How long a service that did answer may be silent: before it is called unhealthy, and before it is restarted.
SILENT_SHOWN_S: Final = 3.0
SILENT_RESTART_S: Final = 20.0


@dataclass(frozen=True)
class Memory:
    """What the supervisor remembers of a service; times are monotonic seconds.

    `instance_id` is the instance that was last seen alive and whose end was not counted yet; `is_pending`: one was
    started and not seen yet. `n_failures` counts ends and failed starts in a row, `n_mended` how often it ran and had
    to be made right. `ready_at` is since when it answers without a break, `silent_at` since when it does not;
    `was_ready` whether this instance ever did.
    """

    instance_id: str = ""
    is_pending: bool = False
    n_failures: int = 0
    n_mended: int = 0
    next_try: float = float("-inf")
    was_ready: bool = False
    ready_at: float | None = None
    silent_at: float | None = None
    n_restarts: int = 0


NOTHING: Final = Memory()


@dataclass(frozen=True)
class Decision:
    """What to do, what to show, what to remember. `has_ended`: an instance ended that nobody replaced."""

    action: Action
    state: ShownState
    memory: Memory
    has_ended: bool = False


def delay_s(n_failures: int) -> float:
    """Seconds until the next try: 1, 2, 4 ... 60."""
    return min(MAX_DELAY_S, 2.0 ** min(n_failures - 1, 10))


def failed(memory: Memory, now: float) -> Memory:
    """After a start that did not succeed, or an end: one failure more, and when to try again."""
    n_failures = memory.n_failures + 1
    return replace(
        memory,
        instance_id="",
        is_pending=False,
        n_failures=n_failures,
        next_try=now + delay_s(n_failures),
        was_ready=False,
        ready_at=None,
        silent_at=None,
    )


def decide(spec: ServiceSpec, observed: Observed, is_ready: bool, memory: Memory, now: float) -> Decision:
    """The next step towards `spec`. A service that is as it should be, and answers, gets no action at all.

    `is_ready`: its ready path just answered. Whatever is remembered, two tries are at least a second apart.
    """
    if observed.state in {"absent", "exited", "foreign"}:
        has_ended = bool(memory.instance_id) or memory.is_pending
        if has_ended:
            memory = failed(memory, now)
        return replace(_start(memory, now, is_foreign=observed.state == "foreign"), has_ended=has_ended)
    has_ended = memory.instance_id not in {"", observed.instance_id}
    if memory.instance_id != observed.instance_id:
        # Another instance than the one that was seen: ours restarted it, or the container engine did by itself.
        n_restarts = memory.n_restarts + (has_ended or (memory.is_pending and memory.n_failures > 0))
        if has_ended:
            memory = failed(memory, now)
        memory = replace(
            memory,
            instance_id=observed.instance_id,
            is_pending=False,
            was_ready=False,
            ready_at=None,
            silent_at=now,
            n_restarts=n_restarts,
        )
    if observed.digest != spec.digest:
        # The instance that replaces this one is not counted as its end.
        memory = replace(memory, instance_id="")
        if now < memory.next_try:
            return Decision("none", "starting", memory)
        # If that does not make it right, or somebody keeps changing it, it must not be replaced without a pause.
        n_mended = memory.n_mended + 1
        return Decision("ensure", "starting", replace(memory, n_mended=n_mended, next_try=now + delay_s(n_mended)))
    decision = _answers(memory, now) if is_ready else _silent(spec, memory, now)
    return replace(decision, has_ended=has_ended)


def _start(memory: Memory, now: float, *, is_foreign: bool) -> Decision:
    if now >= memory.next_try:
        return Decision("ensure", "starting", replace(memory, is_pending=True, next_try=now + delay_s(1)))
    if is_foreign:
        return Decision("none", "blocked", memory)
    return Decision("none", "crash-looping" if memory.n_failures >= QUICK_ENDS_SHOWN else "backing-off", memory)


def _answers(memory: Memory, now: float) -> Decision:
    ready_at = now if memory.ready_at is None else memory.ready_at
    memory = replace(memory, was_ready=True, ready_at=ready_at, silent_at=None)
    if now - ready_at >= HEALTHY_S:
        memory = replace(memory, n_failures=0, n_mended=0)
    return Decision("none", "running", memory)


def _silent(spec: ServiceSpec, memory: Memory, now: float) -> Decision:
    silent_at = now if memory.silent_at is None else memory.silent_at
    memory = replace(memory, silent_at=silent_at)
    silent_s = now - silent_at
    if silent_s >= (SILENT_RESTART_S if memory.was_ready else spec.start_s) and now >= memory.next_try:
        return Decision("restart", "unhealthy", failed(replace(memory, n_restarts=memory.n_restarts + 1), now))
    if not memory.was_ready:
        return Decision("none", "starting", memory)
    if silent_s < SILENT_SHOWN_S:
        return Decision("none", "running", memory)
    return Decision("none", "unhealthy", replace(memory, ready_at=None))
