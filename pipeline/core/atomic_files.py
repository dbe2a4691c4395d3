"""Files that appear whole or not at all, and are still there after a power cut. Light: stdlib only."""

import os
from contextlib import suppress
from pathlib import Path

from pipeline.core import temporary


def write_atomic(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace the file by `content`: readers see the old or the new one, also after a power cut.

    `mode` None: what the umask of this process leaves. An OSError names the file, also where the disk is full.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}{temporary.SUFFIX}")
    try:
        with aside.open("wb") as file:
            temporary.hold(file)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):  # a disk that has become read-only must not hide why
            aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # the system names no file where a write fails
        raise
    fsync_dir(path.parent)


def fsync_dir(path: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
