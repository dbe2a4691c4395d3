"""Decides what to do about one service: from what should be, what is, and what was. Pure; time is an argument."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from app.panel.services.protocol import Observed, ServiceSpec
from app.panel.services.views import ShownState

Action = Literal["none", "ensure", "restart"]

MAX_DELAY_S: Final = 60.0
QUICK_ENDS_SHOWN: Final = 5
HEALTHY_S: Final = 600.0
# A service that has responded for so long without a break is no quick end: its delay counts from when it began to.
STEADY_S: Final = 5.0
# How long a service that did respond may fail to: before it is called unhealthy, and before it is restarted.
UNREADY_SHOWN_S: Final = 3.0
UNREADY_RESTART_S: Final = 20.0


@dataclass(frozen=True)
class RestartHistory:
    """The starts, ends and checks of a service so far; times are monotonic seconds.

    `instance_id` is the instance that was last seen alive and whose end was not counted yet; `is_pending`: one was
    started and not seen yet. `n_failures` counts ends and failed starts in a row, `n_repairs` how often it ran and had
    to be replaced. `ready_at` is since when it responds without a break, `unready_at` since when it does not;
    `was_ready`: this instance has responded before.
    """

    instance_id: str = ""
    is_pending: bool = False
    n_failures: int = 0
    n_repairs: int = 0
    next_try: float = float("-inf")
    was_ready: bool = False
    ready_at: float | None = None
    unready_at: float | None = None
    n_restarts: int = 0


EMPTY: Final = RestartHistory()


@dataclass(frozen=True)
class Decision:
    """The action to take, the state to show, the history to keep. `has_ended`: an instance ended that nobody replaced."""

    action: Action
    state: ShownState
    history: RestartHistory
    has_ended: bool = False


def delay_s(n_failures: int) -> float:
    """Return the seconds until the next try: 1, 2, 4 ... 60."""
    return min(MAX_DELAY_S, 2.0 ** min(n_failures - 1, 10))


def failed(history: RestartHistory, now: float) -> RestartHistory:
    """Return the history after a failed start or an end: one failure more, and when to try again.

    At once for what had run for longer than the delay: nobody waits for a service that was killed once.
    """
    n_failures = history.n_failures + 1
    is_steady = history.ready_at is not None and now - history.ready_at >= STEADY_S
    delayed_from = history.ready_at if is_steady and history.ready_at is not None else now
    return replace(
        history,
        instance_id="",
        is_pending=False,
        n_failures=n_failures,
        next_try=max(now, delayed_from + delay_s(n_failures)),
        was_ready=False,
        ready_at=None,
        unready_at=None,
    )


def decide(spec: ServiceSpec, observed: Observed, is_ready: bool, history: RestartHistory, now: float) -> Decision:
    """Return the next step towards `spec`. A service that is as it should be, and responds, gets no action at all.

    `is_ready`: its ready path just responded. Whatever the history, two tries are at least a second apart.
    """
    if observed.state in {"absent", "exited", "foreign"}:
        has_ended = bool(history.instance_id) or history.is_pending
        if has_ended:
            history = failed(history, now)
        return replace(_start(history, now, is_foreign=observed.state == "foreign"), has_ended=has_ended)
    has_ended = history.instance_id not in {"", observed.instance_id}
    if history.instance_id != observed.instance_id:
        # Another instance than the one that was seen: ours restarted it, or the container engine did by itself.
        n_restarts = history.n_restarts + (has_ended or (history.is_pending and history.n_failures > 0))
        if has_ended:
            history = failed(history, now)
        history = replace(
            history,
            instance_id=observed.instance_id,
            is_pending=False,
            was_ready=False,
            ready_at=None,
            unready_at=now,
            n_restarts=n_restarts,
        )
    if observed.digest != spec.digest:
        # The instance that replaces this one is not counted as its end.
        history = replace(history, instance_id="")
        if now < history.next_try:
            return Decision("none", "starting", history)
        # If that does not help, or somebody keeps changing it, it must not be replaced without a pause.
        n_repairs = history.n_repairs + 1
        return Decision("ensure", "starting", replace(history, n_repairs=n_repairs, next_try=now + delay_s(n_repairs)))
    decision = _ready(history, now) if is_ready else _not_ready(spec, history, now)
    return replace(decision, has_ended=has_ended)


def _start(history: RestartHistory, now: float, *, is_foreign: bool) -> Decision:
    if now >= history.next_try:
        return Decision("ensure", "starting", replace(history, is_pending=True, next_try=now + delay_s(1)))
    if is_foreign:
        return Decision("none", "blocked", history)
    return Decision("none", "crash-looping" if history.n_failures >= QUICK_ENDS_SHOWN else "backing-off", history)


def _ready(history: RestartHistory, now: float) -> Decision:
    ready_at = now if history.ready_at is None else history.ready_at
    history = replace(history, was_ready=True, ready_at=ready_at, unready_at=None)
    if now - ready_at >= HEALTHY_S:
        history = replace(history, n_failures=0, n_repairs=0)
    return Decision("none", "running", history)


def _not_ready(spec: ServiceSpec, history: RestartHistory, now: float) -> Decision:
    unready_at = now if history.unready_at is None else history.unready_at
    history = replace(history, unready_at=unready_at)
    unready_s = now - unready_at
    if unready_s >= (UNREADY_RESTART_S if history.was_ready else spec.start_s) and now >= history.next_try:
        return Decision("restart", "unhealthy", failed(replace(history, n_restarts=history.n_restarts + 1), now))
    if not history.was_ready:
        return Decision("none", "starting", history)
    if unready_s < UNREADY_SHOWN_S:
        return Decision("none", "running", history)
    return Decision("none", "unhealthy", replace(history, ready_at=None))
