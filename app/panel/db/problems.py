"""Problems with the panel's database."""

from pathlib import Path

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
    """A corrupt database was moved aside.

    At start the file was found to be damaged. It was kept beside the database as `panel.db.corrupt-<time>`, and the
    newest sound copy from `backups/` took its place, or a new database where there is no copy. The served model is not
    affected. The message appears at each start for as long as the file is there.
    """

    id = "DB-03"
    status = 503

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"A corrupt database was moved aside to {file}.",
            why="What happened since its last backup is missing from the history.",
            fix="Move that file elsewhere once you have seen this.",
        )


class DatabaseLockedError(ProblemError):
    """The database is locked.

    Another program has held `panel.db` for longer than 5 seconds, for example a database browser. Close it; the panel
    continues by itself.
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

    The disk of the state folder is full, read-only or failing. Free some space; the panel continues by itself.
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
