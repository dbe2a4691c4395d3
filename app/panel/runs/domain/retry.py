"""Turns the end of an attempt into a problem, and decides whether to retry it. Pure."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.panel.runs.domain.attempt_problems import StageExitError, StageKilledError, StageSignalError, StageTimeoutError
from pipeline.core.disk_problems import DiskError, DiskFullError
from pipeline.core.problems import ProblemError, StageOutOfMemoryError
from pipeline.core.runner import EXIT_DISK, EXIT_OK, EXIT_PROBLEM
from pipeline.core.stage import STAGE_TITLES


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` more attempts, each `delay_s` after the failure of the one before."""

    delay_s: float
    retries: int

    def allows_retry(self, problem: ProblemError, n_failures: int) -> bool:
        """Return True if another attempt follows, False if the run has failed. `n_failures` counts this failure."""
        return problem.retryable and n_failures <= self.retries


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """The end of an attempt's process. `exitcode` as multiprocessing reports it; `reported`: the `error` event.

    `out_of_memory`: it has written that it got no memory; `memory_bytes`: its limit. `disk`: why it could
    not write what it had to say.
    """

    exitcode: int | None
    timed_out: bool
    timeout_s: float
    reported: Mapping[str, Any] | None
    out_of_memory: bool = False
    memory_bytes: int | None = None
    disk: DiskError | None = None


def exit_problem(stage: str, end: ProcessExit) -> ProblemError | None:
    """Return the problem that an attempt ended with, None if it succeeded.

    A problem that the stage has reported says itself whether a retry may help; after any other end it may.
    """
    if end.timed_out:
        return StageTimeoutError(stage, end.timeout_s)
    if end.exitcode == EXIT_OK:
        return None
    if end.reported is not None and end.reported.get("what"):
        problem = ProblemError.restore(end.reported)
        problem.retryable |= end.exitcode not in {EXIT_PROBLEM, EXIT_DISK}
        return problem
    return _unreported(stage, end)


def _unreported(stage: str, end: ProcessExit) -> ProblemError:
    """Return the problem of an attempt that could not say itself what went wrong."""
    if end.out_of_memory:
        return StageOutOfMemoryError(STAGE_TITLES.get(stage, stage), end.memory_bytes)
    if end.exitcode == EXIT_DISK:
        return end.disk or DiskFullError.of((), f"Stage “{STAGE_TITLES.get(stage, stage)}” stopped")
    if end.exitcode is not None and end.exitcode < 0:
        number = -end.exitcode
        return StageKilledError(stage) if number == signal.SIGKILL else StageSignalError(stage, number)
    return StageExitError(stage, end.exitcode)
