"""What happens after a failed attempt. Pure."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core.problems import ProblemError
from pipeline.core.runner import EXIT_DISK_FULL, EXIT_OK, EXIT_PROBLEM, disk_full


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` more attempts, each `delay_s` after the failure of the one before."""

    delay_s: float
    retries: int

    def delay_after(self, problem: ProblemError, n_failures: int) -> float | None:
        """Seconds until the next attempt of the stage, None if the run has failed. `n_failures` counts this one."""
        return self.delay_s if problem.retryable and n_failures <= self.retries else None


@dataclass(frozen=True, slots=True)
class Exit:
    """How the process of an attempt ended: as multiprocessing says it, and whether we had to end it."""

    exitcode: int | None
    timed_out: bool
    timeout_s: float
    reported: Mapping[str, Any] | None  # the stage's `error` event


def failure(stage: str, end: Exit) -> ProblemError | None:
    """The problem that an attempt ended with, in words that a person understands; None if it succeeded.

    A stage's own verdict says itself whether trying again may help; after any other end it may.
    """
    if end.timed_out:
        return _crash(
            "RUN-12",
            f"Stage {stage} timed out after {end.timeout_s:g} s.",
            "It was stopped with everything that it had started.",
            "Give it more time with STAGE_TIMEOUT_S, or less to do.",
        )
    if end.exitcode == EXIT_OK:
        return None
    if end.reported is not None:
        return _reported(end.reported, retryable=None if end.exitcode in {EXIT_PROBLEM, EXIT_DISK_FULL} else True)
    if end.exitcode == EXIT_DISK_FULL:
        return disk_full(stage)
    if end.exitcode is not None and end.exitcode < 0:
        return _killed(stage, -end.exitcode)
    return _crash(
        "RUN-13",
        f"Stage {stage} ended with exit code {end.exitcode} and gave no reason.",
        "",
        "Look at the last lines of its log.",
    )


def _killed(stage: str, number: int) -> ProblemError:
    if number == signal.SIGKILL:
        return _crash(
            "RUN-11",
            f"Stage {stage} was killed: probably out of memory.",
            "The system ends a process like this when memory runs out.",
            "Use fewer rows, a smaller model, or a machine with more memory.",
            "free -h",
        )
    return _crash(
        "RUN-10",
        f"Stage {stage} was stopped by signal {number} ({_signal_name(number)}).",
        "A library crashed, or somebody stopped the process.",
        "Look at the last lines of its log.",
    )


def _reported(members: Mapping[str, Any], retryable: bool | None) -> ProblemError:
    return ProblemError(
        str(members.get("id", "RUN-13")),
        str(members.get("what", "The stage failed.")),
        why=str(members.get("why", "")),
        fix=str(members.get("fix", "")),
        command=str(members.get("command", "")),
        retryable=bool(members.get("retryable", False)) if retryable is None else retryable,
    )


def _crash(id: str, what: str, why: str, fix: str, command: str = "") -> ProblemError:
    return ProblemError(id, what, why=why, fix=fix, command=command, retryable=True)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
