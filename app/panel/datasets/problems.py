"""Problems with the tables in `data/raw`."""

from pathlib import Path
from shlex import quote

from app.web.problems import MIB
from pipeline.core.disk import disk_problem
from pipeline.core.problems import ProblemError
from pipeline.core.table_files import TABLE_SUFFIXES


class TableNameError(ProblemError):
    """The table name is not valid.

    A name has at most 120 characters and 200 bytes: letters, digits, spaces and `. ( ) + - _`, no path, and ends as one of a
    table does: `.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`, `.feather`, `.arrow`, `.xlsx`, `.xls`, `.xlsb`, `.ods`, `.json`,
    `.jsonl`, `.ndjson`, or packed `.gz`, `.bz2`, `.xz`, `.zst`, `.zip`. Rename the file and upload it again.
    """

    id = "FILE-01"
    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:80]!r} is not a valid table name.",
            why="A name has at most 120 characters: letters, digits, spaces and . ( ) + - _, and it ends in "
            f"{', '.join(TABLE_SUFFIXES)}.",
            fix="Rename the file and upload it again.",
        )


class EmptyUploadError(ProblemError):
    """The upload is empty.

    The file has no bytes. Choose a file that has a header and rows.
    """

    id = "FILE-02"
    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is empty.", why="The upload has no bytes.", fix="Choose a file with a header and rows."
        )


class TableExistsError(ProblemError):
    """A file of that name already exists.

    A new table does not silently replace another one. Give it another name, or select “Replace the existing tables”;
    they are then kept in `data/replaced`.
    """

    id = "FILE-03"
    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A file {name} already exists.",
            why="A new file does not silently replace another one.",
            fix="Give it another name, or select “Replace the existing tables”.",
        )


class UnknownTableError(ProblemError):
    """There is no such table.

    No file of that name is in `data/raw`. Reload the Data page to see the files that exist.
    """

    id = "FILE-04"
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__("There is no such table.", why=f"{name[:80]!r} is not in data/raw.")


class TableWriteError(ProblemError):
    """The table could not be written.

    The disk of `data/raw` or `data/replaced` is full or read-only, or the panel's user may not write there; the message
    says which. Free some space, mount it writable or correct the permissions, then upload it again; no partial file was
    left.
    """

    id = "FILE-05"
    status = 507

    def __init__(self, name: str, error: OSError, data_dir: Path) -> None:
        raw = data_dir / "raw"
        cause = disk_problem(error, (raw, data_dir / "replaced", data_dir))
        super().__init__(
            f"{name} could not be written.",
            why=f"{cause.what} {cause.why}" if cause else f"{raw}: {error.strerror or error}.",
            fix=f"{cause.fix} Then upload it again." if cause else "Free some space, or make data/raw writable.",
            command=cause.command if cause else f"ls -ld {quote(str(raw))}",
        )


class TablesUnreadableError(ProblemError):
    """The tables cannot be listed.

    `data/raw` is not a folder, or the panel's user may not read it. Make it a folder that this user may read.
    """

    id = "FILE-06"
    status = 503
    command = "ls -ld data/raw"

    def __init__(self, error: OSError) -> None:
        super().__init__(
            "The tables cannot be listed.",
            why=f"data/raw: {error.strerror or error}.",
            fix="Make data/raw a folder that the panel's user may read.",
        )


class UploadBusyError(ProblemError):
    """Another table is being uploaded.

    One upload at a time is taken, by page and API together, and nothing of a second one is read. Wait until the first
    has ended, or copy the file into `data/raw` yourself.
    """

    id = "FILE-07"
    status = 429
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "Another table is being uploaded.",
            why="One upload at a time is taken.",
            fix="Try again when it has ended, or copy the file into data/raw yourself.",
        )


class UploadDiskError(ProblemError):
    """The table does not fit on the disk.

    After an upload 512 MB must be free on the disk of `data/raw`, or no run could start. It is checked before the
    upload is read, and while it arrives; nothing is left of one that did not fit. Free some space.
    """

    id = "DISK-04"
    status = 507

    def __init__(self, raw: Path, *, free_bytes: int, needed_bytes: int) -> None:
        super().__init__(
            "The table does not fit on the disk.",
            why=f"{free_bytes // MIB:,} MB are free on the disk of {raw}, and {needed_bytes // MIB:,} MB are needed.",
            fix="Free some space there.",
            command=f"df -h {quote(str(raw))}",
        )


class PreviewError(ProblemError):
    """The table could not be looked at.

    The process that reads it ended without an answer, or took more than five minutes. It may have run out of memory
    (`STAGE_MEMORY_BYTES`). The panel's log says more. Copy the file into `data/raw` yourself to have a run read it.
    """

    id = "FILE-08"
    status = 500
    retryable = True

    def __init__(self, why: str) -> None:
        super().__init__(
            "The table could not be looked at.",
            why=why,
            fix="Try again, or copy the file into data/raw yourself.",
        )


class RefusedTableError(ProblemError):
    """An upload that is no table; it has the id of what its reader found."""
