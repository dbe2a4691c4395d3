"""The life of a run: which state may follow which. Pure; the only description of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """State of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"  # a stage failed and waits for its next attempt
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the panel stopped during it
    SKIPPED = "skipped"  # a tick that met a busy pipeline

    @property
    def is_final(self) -> bool:
        """Return True if no state can follow."""
        return not NEXT[self]


class AttemptState(StrEnum):
    """State of one attempt of a stage."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    REUSED = "reused"  # the result of an earlier run was taken over; nothing was done


class Trigger(StrEnum):
    """The cause of a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RERUN = "rerun"
    RECOVERY = "recovery"
    DRIFT = "drift"


_S = RunState

NEXT: Final[Mapping[RunState, frozenset[RunState]]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED, _S.INTERRUPTED}),
    _S.RUNNING: frozenset({_S.RETRYING, _S.CANCELLING, _S.SUCCEEDED, _S.FAILED, _S.INTERRUPTED}),
    _S.RETRYING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED, _S.INTERRUPTED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.INTERRUPTED}),  # the user's word wins over a late success
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.INTERRUPTED: frozenset(),
    _S.SKIPPED: frozenset(),
}

ACTIVE: Final = frozenset(state for state in RunState if NEXT[state])
FINAL: Final = frozenset(RunState) - ACTIVE


class IllegalTransitionError(Exception):
    """A bug: the code asked for a move that the table does not have."""


def check_move(old: RunState, new: RunState) -> None:
    """Raise IllegalTransitionError unless a run may go from `old` to `new`."""
    if new not in NEXT[old]:
        raise IllegalTransitionError(f"A run cannot go from {old} to {new}.")
