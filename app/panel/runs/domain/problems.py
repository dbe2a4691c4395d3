"""Problems with starting or changing a run."""

import shlex
from collections.abc import Sequence
from typing import Final, Self

from pydantic import ValidationError

from app.panel.disk_room import Room
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES, StageName

MB: Final = 2**20


class ActiveRunError(ProblemError):
    """Another run is active.

    Only one run is active at a time; the message names it. Wait for it to end, or cancel it.
    """

    id = "RUN-01"
    status = 409

    def __init__(self, *, run_id: str, number: int, state: str) -> None:
        super().__init__(
            f"Run {number} is {state}; only one run can be active at a time.",
            fix="Wait for it to end, or cancel it.",
            command=f"ml-pipeline logs -f {number}",
        )
        self.run_id = run_id
        self.number = number

    def as_dict(self) -> dict[str, object]:
        """Return the members of a problem, and `run_id` and `run_number` of the active run."""
        return {**super().as_dict(), "run_id": self.run_id, "run_number": self.number}


class RunNotFoundError(ProblemError):
    """There is no such run.

    No run has this number or id. `ml-pipeline status` and the Runs page list those that exist.
    """

    id = "RUN-02"
    status = 404
    command = "ml-pipeline status"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id[:64]}.", fix="See the Runs page for the existing runs.")


class InvalidParamsError(ProblemError):
    """A parameter is not valid.

    The message names the parameter and what is wrong with it; `errors` in the JSON response lists all of them.
    `GET /api/v1/params` describes each parameter with its limits.
    """

    id = "RUN-03"
    status = 422

    def __init__(self, what: str, *, why: str = "", fix: str, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(what, why=why, fix=fix)
        self.errors = errors

    @classmethod
    def from_validation(cls, error: ValidationError) -> Self:
        """Return the problem of values that the schema of the parameters refuses, with all of its errors."""
        errors = [(".".join(str(part) for part in each["loc"]), each["msg"]) for each in error.errors()]
        field, message = errors[0]
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        return cls(
            f"The parameter {field or 'set'} is not valid{more}.",
            why=f"{message}.",
            fix="Correct it; GET /api/v1/params lists the names and limits of all parameters.",
            errors=errors,
        )

    def as_dict(self) -> dict[str, object]:
        """Return the members of a problem, and `errors`, one `{"field", "message"}` each."""
        return {**super().as_dict(), "errors": [{"field": f, "message": m} for f, m in self.errors]}


class MissingResultError(ProblemError):
    """A run cannot start from this stage.

    A run that starts at a later stage reuses the results of the stages before it. No earlier run has left them, or the
    run that was named has not. Start from the first stage.
    """

    id = "RUN-04"
    status = 409
    command = "ml-pipeline run"

    def __init__(self, from_stage: StageName) -> None:
        super().__init__(
            f"A run cannot start from {from_stage}.",
            why=f"There is no result of {STAGES[STAGES.index(from_stage) - 1]} to reuse.",
            fix="Start from the first stage.",
        )


class RunEndedError(ProblemError):
    """The run cannot be cancelled.

    It has already ended, and a final state does not change.
    """

    id = "RUN-05"
    status = 409

    def __init__(self, number: int, state: str) -> None:
        verb = "has" if state in {"succeeded", "failed"} else "is"
        super().__init__(f"Run {number} cannot be cancelled: it {verb} {state}.", fix="There is nothing left to do.")


class InvalidIdempotencyKeyError(ProblemError):
    """The Idempotency-Key is not valid.

    The header takes 1 to 200 visible ASCII characters, for example a UUID.
    """

    id = "RUN-07"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "The header Idempotency-Key is not valid.",
            fix="Send 1 to 200 visible ASCII characters, for example a UUID.",
        )


class IdempotencyKeyReusedError(ProblemError):
    """The Idempotency-Key belongs to another request.

    A key stands for one request: sent again with the same parameters, stage, `force` and run to repeat, it gives the same
    run; with others it is refused, since neither the old run nor a second one is what was meant. The message names the run
    that the key has started. Send a new key, for example a UUID, with each new request.
    """

    id = "RUN-19"
    status = 422

    def __init__(self, *, run_id: str, number: int) -> None:
        super().__init__(
            f"This Idempotency-Key has started run {number} with another request.",
            why="A key stands for one request; this one differs in its parameters, its stage, force or the run to repeat.",
            fix="Send a new key with a new request, or the request of that run again.",
            command=f"ml-pipeline status {number}",
        )
        self.run_id = run_id
        self.number = number

    def as_dict(self) -> dict[str, object]:
        """Return the members of a problem, and `run_id` and `run_number` of the run that the key has started."""
        return {**super().as_dict(), "run_id": self.run_id, "run_number": self.number}


class TooManyStartsError(ProblemError):
    """Too many runs were started.

    Each user and each token may start `RUN_STARTS_PER_MINUTE` runs a minute, reruns included; the schedule, drift and the
    panel's own recovery are not limited. `Retry-After` says when the next start is accepted.
    """

    id = "RUN-17"
    status = 429
    retryable = True

    def __init__(self, starts_per_minute: int, *, wait_s: int) -> None:
        super().__init__(
            "Too many runs were started.",
            why=f"At most {starts_per_minute} a minute are for one user or token.",
            fix=f"Try again in {wait_s} s.",
        )
        self.wait_s = wait_s


class DiskNearlyFullError(ProblemError):
    """A disk has too little room for a run.

    A run writes to the folders of state, processed data, models and temporary files. Each disk they are on must have room
    for it before it starts, or it could not finish: 512 MB for the state folder, 64 MB each for a model and for temporary
    files, and for the prepared sets twice the size of the tables in `data/raw`, ten times that of packed ones. The message
    names the disk and the figures. Free some space there, or move the folder to another disk (`ML_PIPELINE_DATA`,
    `ML_PIPELINE_MODELS`, `ML_PIPELINE_STATE`, `TMPDIR`); scheduled runs then resume by themselves.
    """

    id = "DISK-01"
    status = 507
    retryable = True

    def __init__(self, room: Room) -> None:
        super().__init__(
            f"Only {room.free_bytes // MB:,} MB are free on the disk of {room.where}.",
            why=room.explained,
            fix="Remove other files there, or move the folder to a larger disk.",
            command=f"df -h {shlex.join(str(folder) for folder in room.folders)}",
        )
