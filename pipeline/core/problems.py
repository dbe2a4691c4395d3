"""The one shape of every error a person meets: what happened, why, what to do, one command.

Light: imports nothing heavy, so that every process may use it.
"""

from typing import Final

DOCS: Final = "docs/errors.md"


class ProblemError(Exception):
    """An expected failure with an id that can be looked up in `docs/errors.md`.

    `id` is `FAMILY-NN`; `what`, `why` and `fix` are one line each; `command` is one command that helps, or "".
    `retryable` says whether the same attempt may succeed 30 s later without anybody doing anything.
    `status` is the HTTP status it has when it leaves through HTTP (RFC 9457).
    """

    def __init__(
        self,
        id: str,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        command: str = "",
        retryable: bool = False,
        status: int = 400,
    ) -> None:
        super().__init__(what)
        self.id = id
        self.what = what
        self.why = why
        self.fix = fix
        self.command = command
        self.retryable = retryable
        self.status = status

    def __str__(self) -> str:
        """The whole message in one line, for logs and terminals."""
        parts = [f"{self.id}: {self.what}", self.why, self.fix]
        line = " ".join(part for part in parts if part)
        return f"{line} Try: {self.command}" if self.command else line

    def as_dict(self) -> dict[str, object]:
        """JSON-ready: id, what, why, fix, command, retryable."""
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


class TrainingError(ProblemError):
    """No publishable model came out. Family TRAIN."""


class BundleError(ProblemError):
    """A bundle or pointer on disk is not what it says it is. Family MODEL."""
