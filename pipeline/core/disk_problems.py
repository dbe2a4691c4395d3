"""Problems with the folders that the product reads and writes: full, read-only, closed, gone or failing."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Self

from pipeline.core.problems import ProblemError


class DiskError(ProblemError):
    """A folder cannot be read or written; `folders` are the one, or those that come into question. Family DISK."""

    status = 507
    retryable = True

    def __init__(self, folders: Sequence[Path], what: str, *, doing: str, why: str, fix: str, command: str) -> None:
        """`what` follows `doing` in one sentence; the folders are added to `command`."""
        sentence = f"{doing}: {what}." if doing else f"{what[0].upper()}{what[1:]}."
        paths = " ".join(quote(str(folder)) for folder in folders)
        super().__init__(sentence, why=why, fix=fix, command=f"{command} {paths}")
        self.folders = tuple(folders)


class DiskFullError(DiskError):
    """A disk is full.

    Nothing more can be written to the folder that the message names: no space or no inodes are left on its disk, or a
    quota or a limit on the size of files is reached. Free some space there. A stage is retried, the panel goes on by
    itself, and the live model is not affected.
    """

    id = "DISK-03"

    @classmethod
    def of(cls, folders: Sequence[Path], doing: str = "") -> Self:
        """Return the problem of a disk without space."""
        return cls(
            folders,
            f"the disk of {listed_folders(folders)} is full",
            doing=doing,
            why="No space is left on the device.",
            fix="Free some space there; nothing else needs to be done.",
            command="df -h",
        )

    @classmethod
    def without_inodes(cls, folders: Sequence[Path], doing: str = "") -> Self:
        """Return the problem of a disk that takes no more files, however small."""
        return cls(
            folders,
            f"the disk of {listed_folders(folders)} takes no more files",
            doing=doing,
            why="It has space, but no inodes are left: it holds too many files.",
            fix="Remove files that are not needed there, however small.",
            command="df -i",
        )

    @classmethod
    def quota(cls, folders: Sequence[Path], doing: str = "") -> Self:
        """Return the problem of a user who may not write more."""
        return cls(
            folders,
            f"nothing more may be written to {listed_folders(folders)}",
            doing=doing,
            why="The quota of the panel's user is reached.",
            fix="Remove files of this user, or have the quota raised.",
            command="df -h",
        )

    @classmethod
    def file_size(cls, folders: Sequence[Path], doing: str = "") -> Self:
        """Return the problem of a file that may not become larger."""
        return cls(
            folders,
            f"a file in {listed_folders(folders)} may not become larger",
            doing=doing,
            why="A limit on the size of files is reached: of the panel's process (ulimit -f), or of the file system.",
            fix="Start the panel with a higher limit.",
            command="ulimit -f; df -hT",
        )


class ReadOnlyFolderError(DiskError):
    """A folder is read-only.

    The file system of the folder that the message names is mounted read-only: as somebody has mounted it, or by the
    system itself after an error of the disk (`dmesg` says so). Mount it writable. A stage is retried, the panel goes on
    by itself, and the live model is not affected.
    """

    id = "DISK-05"

    def __init__(self, folders: Sequence[Path], doing: str = "") -> None:
        super().__init__(
            folders,
            f"{listed_folders(folders)} is read-only",
            doing=doing,
            why="Its file system is mounted read-only: by somebody, or by the system after an error of the disk.",
            fix="Mount it writable.",
            command="findmnt -T",
        )


class FolderDeniedError(DiskError):
    """A folder may not be read or written.

    The user who runs the panel lacks the permission, or the file is protected. Correct owner and mode of what the
    message names, then start the run again.
    """

    id = "DISK-06"
    retryable = False

    def __init__(self, path: Path, doing: str = "") -> None:
        super().__init__(
            (path,),
            f"{path} may not be read or written",
            doing=doing,
            why="The user who runs the panel lacks the permission.",
            fix="Correct its owner or mode.",
            command="ls -ld",
        )


class FolderGoneError(DiskError):
    """A folder or a file in it is gone.

    What the message names was removed or replaced meanwhile, or its disk is no longer mounted. Put it back or mount the
    disk. A stage is retried; what a removed folder held must be made again by a new run.
    """

    id = "DISK-07"

    def __init__(self, path: Path, doing: str = "", *, is_file: bool = False) -> None:
        super().__init__(
            (path.parent,),
            f"{path} {'is not a folder' if is_file else 'is gone'}",
            doing=doing,
            why="Another file is in its place." if is_file else "It was removed, or its disk is not mounted.",
            fix="Put the folder in its place." if is_file else "Put it back, or mount the disk; then start a new run.",
            command="ls -la",
        )


class DiskFailsError(DiskError):
    """A disk fails.

    The system reports an error of the disk, or of the connection to it, below the folder that the message names. `dmesg`
    says more. Save what is on it, and replace it or mount it anew. A stage is retried.
    """

    id = "DISK-08"

    def __init__(self, folders: Sequence[Path], reason: str, doing: str = "") -> None:
        super().__init__(
            folders,
            f"the disk of {listed_folders(folders)} fails",
            doing=doing,
            why=f"The system says: {reason}.",
            fix="Look at the system's log (dmesg), save what is on it, and replace it or mount it anew.",
            command="findmnt -T",
        )


def listed_folders(folders: Sequence[Path]) -> str:
    """Return the folders as a sentence names them, joined by “or”."""
    return " or ".join(str(folder) for folder in folders) or "the panel"
