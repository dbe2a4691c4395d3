"""Problems that end an attempt of a stage, or the run with it."""

import signal
from typing import Final

from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGE_TITLES

_REPORT_BUG: Final = "Please report it with the output of the panel."


class StageSignalError(ProblemError):
    """A stage was stopped by a signal.

    The process of the stage crashed, most often in a native library (signal 11), or somebody stopped it. The last
    lines of the log show how far it got. The stage is retried.
    """

    id = "RUN-10"
    retryable = True

    def __init__(self, stage: str, number: int) -> None:
        super().__init__(
            f"Stage “{STAGE_TITLES.get(stage, stage)}” was stopped by signal {number} ({_signal_name(number)}).",
            why="A library crashed, or somebody stopped the process.",
            fix="Look at the last lines of its log.",
        )


class StageKilledError(ProblemError):
    """A stage ran out of memory.

    The system killed its process, as it does when memory runs out. Use fewer rows, a smaller model, or a machine with
    more memory. The stage is retried, since something else may have used the memory.
    """

    id = "RUN-11"
    retryable = True
    command = "free -h"

    def __init__(self, stage: str) -> None:
        super().__init__(
            f"Stage “{STAGE_TITLES.get(stage, stage)}” was killed: probably out of memory.",
            why="The system kills a process when memory runs out.",
            fix="Use fewer rows, a smaller model, or a machine with more memory.",
        )


class StageTimeoutError(ProblemError):
    """A stage timed out.

    It did not finish within `STAGE_TIMEOUT_S` and was stopped together with every process that it had started. The
    stage is retried.
    """

    id = "RUN-12"
    retryable = True

    def __init__(self, stage: str, timeout_s: float) -> None:
        super().__init__(
            f"Stage “{STAGE_TITLES.get(stage, stage)}” timed out after {timeout_s:g} s.",
            why="It was stopped together with every process that it had started.",
            fix="Raise STAGE_TIMEOUT_S, or reduce the work: fewer rows, fewer trials.",
        )


class StageExitError(ProblemError):
    """A stage ended without giving a reason.

    Its process ended with an exit code, or without leaving a result, and reported no problem. The last lines of the
    log show how far it got. The stage is retried.
    """

    id = "RUN-13"
    retryable = True

    def __init__(self, stage: str, exitcode: int | None) -> None:
        super().__init__(
            f"Stage “{STAGE_TITLES.get(stage, stage)}” left no result and gave no reason."
            if exitcode is None
            else f"Stage “{STAGE_TITLES.get(stage, stage)}” ended with exit code {exitcode} and gave no reason.",
            fix="Look at the last lines of its log.",
        )


class StageStartError(ProblemError):
    """The process of a stage could not be started.

    The system refused a new process: there are too many, or there is not enough memory. `ulimit -u` shows the limit.
    The stage is retried.
    """

    id = "RUN-14"
    retryable = True
    command = "ulimit -u"

    def __init__(self, stage: str, error: BaseException) -> None:
        super().__init__(
            f"The process of stage “{STAGE_TITLES.get(stage, stage)}” could not be started.",
            why=f"{error}.",
            fix="Free some memory, or raise the process limit.",
        )


class StageStartTimeoutError(ProblemError):
    """The process of a stage was not started in time.

    The process that starts stages did not respond: somebody stopped it, or the machine is overloaded. It was killed and
    replaced, twice. The stage is retried.
    """

    id = "RUN-18"
    retryable = True
    command = "uptime"

    def __init__(self, stage: str, timeout_s: float) -> None:
        super().__init__(
            f"The process of stage “{STAGE_TITLES.get(stage, stage)}” was not started in time.",
            why=f"The process that starts stages did not respond within {timeout_s:g} s and was replaced.",
            fix="Look what else keeps the machine busy.",
        )


class DeployFaultError(ProblemError):
    """Deploy failed because of a bug.

    The live model was not changed by it. Please report it with the output of the panel. The stage is retried.
    """

    id = "RUN-15"
    retryable = True

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"Stage “Deploy” failed: {_described(error)}"[:500],
            why="This is a bug, not a problem with your data. The live model was not changed by it.",
            fix=_REPORT_BUG,
        )


class PanelFaultError(ProblemError):
    """The panel could not continue a run.

    Something failed in the panel itself, not in a stage. The run has ended, and the next one can start. Please report
    it with the output of the panel.
    """

    id = "RUN-16"

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            "The panel could not continue this run.",
            why=_described(error)[:500],
            fix=f"This is a bug in the panel. {_REPORT_BUG}",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
