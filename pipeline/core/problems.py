"""The one shape of every error a person meets: what happened, why, what to do, one command.

Each package keeps its problems in a module `problems.py`: one class for each id, whose docstring is its entry in
`docs/errors.md` (`make docs` writes that file). Light: imports nothing heavy, so that every process may use it.
"""

from collections.abc import Mapping
from typing import Self


class ProblemError(Exception):
    """An expected failure with an id that can be looked up in `docs/errors.md`.

    A subclass sets `id` (`FAMILY-NN`), `status` (HTTP, RFC 9457), `retryable` (the same attempt may succeed 30 s later
    without anybody doing anything) and `command` (one command that helps, or ""); its `__init__` takes what the case
    is about and hands on the sentences: `what`, `why` and `fix` are one line of plain text each. `command`, `status` and
    `retryable` may be given for the single case.
    """

    id: str = ""
    status: int = 400
    retryable: bool = False
    command: str = ""

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        command: str | None = None,
        retryable: bool | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        if command is not None:
            self.command = command
        if retryable is not None:
            self.retryable = retryable
        if status is not None:
            self.status = status

    @classmethod
    def restore(cls, members: Mapping[str, object], *, status: int | None = None) -> Self:
        """Return the problem that another process wrote with `as_dict`; members that are missing are empty."""
        problem = cls.__new__(cls)
        problem.id = str(members.get("id", ""))
        ProblemError.__init__(
            problem,
            str(members.get("what", "")),
            why=str(members.get("why", "")),
            fix=str(members.get("fix", "")),
            command=str(members.get("command", "")),
            retryable=bool(members.get("retryable", False)),
            status=status,
        )
        return problem

    def __str__(self) -> str:
        """Return the whole message in one line, for logs and terminals."""
        parts = [f"{self.id}: {self.what}", self.why, self.fix]
        line = " ".join(part for part in parts if part)
        return f"{line} Try: {self.command}" if self.command else line

    def as_dict(self) -> dict[str, object]:
        """Return id, what, why, fix, command and retryable, ready for JSON."""
        return {
            "id": self.id,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "command": self.command,
            "retryable": self.retryable,
        }


class DataError(ProblemError):
    """The table cannot be used; the run fails, the served model stays. Family DATA."""


class InvalidParamsError(DataError):
    """The parameters do not suit the table: a run with the same ones would be refused again."""


class TrainingError(ProblemError):
    """No publishable model came out. Family TRAIN."""


class BundleError(ProblemError):
    """A bundle or pointer on disk is not what it says it is. Family MODEL."""


class StageOutOfMemoryError(TrainingError):
    """A stage ran out of memory.

    The table or the model needs more memory than the stage's process may use: `STAGE_MEMORY_BYTES`, or three quarters of
    the machine's (or the container's) where that is 0. Use fewer rows, a smaller model (fewer trees, less depth), a
    higher limit or a machine with more memory. The live model is not affected.
    """

    id = "TRAIN-90"

    def __init__(self, stage: str, limit_bytes: int | None = None) -> None:
        limit = (
            "this process may use" if limit_bytes is None else f"the {limit_bytes / 2**30:.1f} GB that a stage may use"
        )
        setting = "" if limit_bytes is None else " (STAGE_MEMORY_BYTES sets the limit)"
        super().__init__(
            f"Stage “{stage}” ran out of memory.",
            why=f"The table or the model needs more than {limit}.",
            fix=f"Use fewer rows, a smaller model, or a machine with more memory{setting}.",
        )


class UnexpectedStageError(TrainingError):
    """A stage failed unexpectedly.

    This is a bug in the pipeline. The full traceback is in the run's log at level debug. The run is retried and the
    live model stays; please report the bug with the log.
    """

    id = "TRAIN-99"

    def __init__(self, stage: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        super().__init__(
            f"Stage “{stage}” failed: {type(error).__name__}: {text}"[:500],
            why="This is a bug, not a problem with your data.",
            fix="The traceback is in the log at level debug; please report it.",
        )
