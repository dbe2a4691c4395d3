"""Problems with the panel's database."""

from pathlib import Path
from typing import Final

from pipeline.core.problems import ProblemError


class DatabaseUnusableError(ProblemError):
    """The database cannot be opened.

    The state folder is not writable, or its disk is full or failing. Make it writable for the user who runs the panel,
    or set `ML_PIPELINE_STATE` to another one.
    """

    id = "DB-01"
    status = 503

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"The database {path.name} cannot be opened.",
            why=f"{reason}.",
            fix="Free space on its disk, make the state folder writable, or set ML_PIPELINE_STATE to another one.",
            command=f"ls -ld {path.parent}",
        )


class DatabaseTooNewError(ProblemError):
    """The database was written by a newer version.

    This version would not understand it. Start the newer version again, or replace the database with the copy that was
    made before the update (`backups/` in the state folder).
    """

    id = "DB-02"
    status = 503

    def __init__(self, *, stored: str, supported: str) -> None:
        super().__init__(
            "The database was written by a newer version of this program.",
            why=f"Its schema is {stored}; this version supports schemas up to {supported}.",
            fix="Start the newer version again, or restore a copy from the backups folder of the state folder.",
        )


class DatabaseQuarantinedError(ProblemError):
    """A damaged database was moved aside.

    At start the file was found to be damaged. It was kept beside the database as `panel.db.corrupt-<time>`. A new one was
    made of what could be read in it, of the newest sound copy from `backups/`, and of the folders of runs and models; the
    Backups page says what came from where and what is missing. The served model is not affected. The message appears
    at each start for as long as the file is there.
    """

    id = "DB-03"
    status = 503

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"A damaged database was moved aside to {file}.",
            why="It was replaced by what could be read; the Backups page says what is missing.",
            fix="Move that file elsewhere once you have seen this.",
        )


class DatabaseLockedError(ProblemError):
    """The database is locked.

    Another program has held `panel.db` for longer than 5 seconds, for example a database browser. Close it; the panel
    continues by itself. Meanwhile requests that change something are refused with this problem and `Retry-After`; what
    the panel does by itself, such as a run, a deployment or the schedule, waits, and nothing of it is lost.
    """

    id = "DB-04"
    status = 503
    retryable = True

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            "The panel's database is locked.",
            why=f"Another program has held it for longer than {timeout_s:.0f} s.",
            fix="Close other programs that have panel.db open; then try again.",
        )


class DatabaseNotWritableError(ProblemError):
    """The database cannot be written.

    The disk of the state folder is full, read-only or failing. Free some space; the panel continues by itself. Runs,
    deployments and the schedule wait for it, and no result of a stage that has finished is lost.
    """

    id = "DB-05"
    status = 507
    retryable = True
    command = "df -h"

    def __init__(self, reason: object) -> None:
        super().__init__(
            "The panel's database cannot be written.",
            why=f"{reason}.",
            fix="Free some space on the disk of the state folder, or make it writable.",
        )


class ForeignDatabaseError(ProblemError):
    """The file is the database of another program.

    `panel.db` in the state folder is a sound SQLite file, but none of its tables is one of this program. Nothing was
    changed. Set `ML_PIPELINE_STATE` to the state folder of the panel, or move the file away.
    """

    id = "DB-06"
    status = 503

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The file {path.name} is the database of another program.",
            why="It is sound, but none of its tables is one of this program.",
            fix="Set ML_PIPELINE_STATE to the state folder of the panel, or move the file away.",
            command=f"ls -l {path.parent}",
        )


# What passes by itself: who acts for nobody waits for it, see `patience`.
UNAVAILABLE: Final = (DatabaseLockedError, DatabaseNotWritableError)
