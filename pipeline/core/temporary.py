"""Temporary files and folders, held by whoever works with them, so that a cleaner tells them from what a kill left behind.

A hold is a lock of the system: it ends with the process, however that ends, and counts between containers and panels that
share a folder. Light: stdlib only.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

SUFFIX: Final = ".ml-pipeline-tmp"  # of a file that is written aside; no other program's files end so
WRITTEN_ASIDE: Final = f".*{SUFFIX}"
FOLDER_PREFIX: Final = "ml-pipeline-tmp-"


def hold(file: IO[bytes]) -> None:
    """Hold an open file until it is closed. Where the file system has no locks, nothing is held, and nothing removed."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold an existing file or folder within the block. Raises OSError if it cannot be opened."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def own_folder() -> Iterator[Path]:
    """Yield a new folder among the temporary ones, for a process to work in; removed with all in it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        with held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(folder: Path, *patterns: str) -> None:
    """Remove the files and folders that match and that nobody holds: a killed process left them. Raises nothing."""
    for pattern in patterns:
        with suppress(OSError):  # the folder is gone, or may not be read
            for path in tuple(folder.glob(pattern)):
                with suppress(OSError):  # somebody else has removed it, or it belongs to another user
                    _remove_unless_held(path)


def remove_left_folders() -> None:
    """Remove what `own_folder` had made for processes of this user that were killed."""
    with suppress(OSError):
        for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
            if path.lstat().st_uid == os.geteuid():
                remove_left(path.parent, path.name)


def _remove_unless_held(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(handle)
