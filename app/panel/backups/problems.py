"""Problems with backups and recoveries."""

from pipeline.core.problems import ProblemError


class RecoveryNotFoundError(ProblemError):
    """There is no such recovery.

    The Backups page lists what was restored and when.
    """

    id = "BACKUP-01"
    status = 404

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no recovery {number}.", fix="See the Backups page for those that there are.")


class DamagedBackupError(ProblemError):
    """The backup is damaged or no backup of this program.

    It is cut off, was changed, or its files are not as its own list says. Nothing was restored from it. Take another one:
    `ml-pipeline verify FILE` says which are whole.
    """

    id = "BACKUP-02"
    status = 422
    command = "ml-pipeline backup --list"

    def __init__(self, reason: str) -> None:
        super().__init__("The backup is damaged, or no backup of this program.", why=reason, fix="Take another backup.")


class BackupPlaceError(ProblemError):
    """The place of the backups cannot be used.

    `BACKUP_URL` names a folder or a place that fsspec knows, such as `s3://bucket/folder` or `sftp://host/folder`; some need a
    package of their own, which the message names. Backups that are due are made again an hour later.
    """

    id = "BACKUP-03"
    status = 502
    retryable = True

    def __init__(self, place: str, error: Exception) -> None:
        super().__init__(
            f"The place of the backups, {place}, cannot be used.",
            why=f"{' '.join(str(error).split()) or type(error).__name__}".rstrip(".") + ".",
            fix="Make it reachable and writable, or set BACKUP_URL to another one.",
            command="ml-pipeline backup",
        )


class BackupNotFoundError(ProblemError):
    """There is no such backup.

    The Backups page and `ml-pipeline backup --list` name those that there are.
    """

    id = "BACKUP-04"
    status = 404
    command = "ml-pipeline backup --list"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no backup {name[:200]}.", fix="See the Backups page for those that there are.")


class BackupRunningError(ProblemError):
    """A backup is being made already.

    One is made at a time. Wait until it is done; the Backups page shows it.
    """

    id = "BACKUP-05"
    status = 409
    retryable = True

    def __init__(self) -> None:
        super().__init__("A backup is being made already.", fix="Wait until it is done.")


class BackupFailedError(ProblemError):
    """The backup could not be made.

    A file could not be read, or there is no room for the archive. Nothing was changed, and no part of it is left.
    """

    id = "BACKUP-06"
    status = 507
    retryable = True
    command = "df -h"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The backup could not be made.",
            why=f"{error}".rstrip(".") + ".",
            fix="Free some space on the disk of the state folder; then try again.",
        )


class RestoreRefusedError(ProblemError):
    """The folders already hold a history.

    `ml-pipeline restore` puts a backup into empty folders. With `--replace` it moves what is there aside first, into
    `before-restore-<time>` beside it, and deletes nothing.
    """

    id = "BACKUP-07"
    status = 409
    command = "ml-pipeline restore --replace FILE"

    def __init__(self, folder: object) -> None:
        super().__init__(
            f"{folder} already holds a history.",
            why="A restore would mix two histories.",
            fix="Restore into empty folders, or with --replace: what is there is moved aside.",
        )


class RestoreUnfinishedError(ProblemError):
    """A restore was interrupted.

    The folders hold parts of two histories. Run the same `ml-pipeline restore --replace FILE` again: it puts the rest of the
    backup there. What was moved aside is still in `before-restore-<time>`. Exit code 78.
    """

    id = "BACKUP-08"
    status = 503
    command = "ml-pipeline restore --replace FILE"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A restore of {name} was interrupted.",
            why="The folders may hold parts of two histories.",
            fix="Run the restore again.",
        )


class RestoreFailedError(ProblemError):
    """The backup could not be restored.

    A file could not be written or moved, or there is no room for the backup. Nothing is lost: what was there is where it was or
    in `before-restore-<time>` beside it. Free some space and run the same command again.
    """

    id = "BACKUP-09"
    status = 507
    retryable = True
    command = "df -h"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The backup could not be restored.",
            why=f"{error}".rstrip(".") + ".",
            fix="Free some space, or make the folders writable; then run the same command again.",
        )


class ServicesStillRunError(ProblemError):
    """Services still run without a panel.

    They outlive the panel, and MLflow would go on writing into the store that is moved aside. `ml-pipeline down` ends them; in
    Docker, `docker compose --profile all down` does.
    """

    id = "BACKUP-10"
    status = 409
    command = "ml-pipeline down"

    def __init__(self, which: str) -> None:
        super().__init__(
            "Services still run, and would go on with what is moved aside.",
            why=which,
            fix="End them; then run the same command again.",
        )
