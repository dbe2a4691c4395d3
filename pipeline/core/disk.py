"""The one place that turns an OSError into a problem with the folder that it is about. Light: stdlib only."""

import errno
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipeline.core import temporary
from pipeline.core.disk_problems import (
    DiskError,
    DiskFailsError,
    DiskFullError,
    FolderDeniedError,
    FolderGoneError,
    ReadOnlyFolderError,
)

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})
# Of a disk, of a network share, of a file system whose process has ended; the last is no POSIX name.
_FAILS: Final = frozenset(
    {errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, getattr(errno, "EREMOTEIO", errno.EIO), 117}
)
_ANYWHERE: Final = frozenset({*_FULL, errno.EROFS, errno.EIO})  # these are of a disk, whether or not a file is named
_NO_TEMPORARY: Final = "No usable temporary directory"
_PROBE_BYTES: Final = 64 * 2**10


def disk_problem(error: BaseException, folders: Sequence[Path], doing: str = "") -> DiskError | None:
    """Return the problem with a folder that `error` tells of, None if it tells of something else.

    `folders` are those in which whoever failed works; few errors name a file. Where none is named, the folder is told
    by its state: the one without space, without inodes, or read-only. `doing` begins the sentence.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return None
    file = _file(error)
    if error.errno in _ANYWHERE or (file is not None and error.errno in _FAILS):
        return _of_disk(error.errno, None if file is None else [_known(file, folders)], folders, doing)
    if error.errno == errno.ENOENT and _NO_TEMPORARY in str(error):
        return DiskFullError.of([Path(os.environ.get("TMPDIR") or "/tmp")], doing)  # noqa: S108  # it is only named
    if file is None or not _is_in(file, folders):
        return None
    if error.errno in _DENIED:
        return FolderDeniedError(file, doing)
    return _gone(error.errno, file, folders, doing) if error.errno in _GONE else None


def is_of_disk(error: BaseException) -> bool:
    """Return True if the disk is full, read-only or failing: nothing is wrong with the file that was read or written."""
    return isinstance(error, OSError) and error.errno in _ANYWHERE


def probe(folder: Path) -> OSError | None:
    """Return what goes wrong with writing a small file into a folder, None if nothing does."""
    path = folder / f".probe-{os.getpid()}{temporary.SUFFIX}"
    try:
        try:
            with path.open("wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        error.filename = str(path)
        return error
    return None


def stage_folders(data_dir: Path, models_dir: Path, run_dir: Path) -> tuple[Path, ...]:
    """Return the folders in which a stage works; that of temporary files is the last, if there is a usable one."""
    folders = [data_dir / "processed", data_dir / "raw", models_dir, run_dir]
    with suppress(OSError):
        folders.append(Path(tempfile.gettempdir()))
    return tuple(folders)


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    path = folder.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _file(error: OSError) -> Path | None:
    """Return the file that the error names; of two, the one that was written."""
    names = [name for name in (error.filename2, error.filename) if isinstance(name, str | bytes | os.PathLike)]
    return Path(os.fsdecode(names[0])).absolute() if names else None


def _is_in(file: Path, folders: Sequence[Path]) -> bool:
    """Return whether a file is in one of the folders, is one of them, or lies above one."""
    return any(file.is_relative_to(each.absolute()) or each.absolute().is_relative_to(file) for each in folders)


def _known(file: Path, folders: Sequence[Path]) -> Path:
    """Return which of the folders holds the file, or else the file's own."""
    holding = [folder for folder in folders if file.is_relative_to(folder.absolute())]
    return max(holding, key=lambda folder: len(folder.parts), default=file.parent)


def _of_disk(number: int, named: Sequence[Path] | None, folders: Sequence[Path], doing: str) -> DiskError:
    """Return the problem of a disk; `named` is the folder of the file that the error names."""
    if number in _FULL:
        return _full(number, named or _least_free(folders), doing)
    if number == errno.EROFS:
        return ReadOnlyFolderError(named or _read_only(folders), doing)
    return DiskFailsError(named or folders, os.strerror(number), doing)


def _full(number: int, folders: Sequence[Path], doing: str) -> DiskFullError:
    if number == errno.EDQUOT:
        return DiskFullError.quota(folders, doing)
    if number == errno.EFBIG:
        return DiskFullError.file_size(folders, doing)
    is_out_of_inodes = bool(folders) and all(map(_lacks_inodes, folders))
    return DiskFullError.without_inodes(folders, doing) if is_out_of_inodes else DiskFullError.of(folders, doing)


def _lacks_inodes(folder: Path) -> bool:
    with suppress(OSError):
        status = os.statvfs(existing(folder))
        return status.f_files > 0 and status.f_favail == 0 and status.f_bavail > 0
    return False


def _least_free(folders: Sequence[Path]) -> Sequence[Path]:
    """Return the folder without inodes, else the one on the disk with the least space."""
    lacking = [folder for folder in folders if _lacks_inodes(folder)]
    free_bytes: dict[Path, int] = {}
    for folder in folders:
        with suppress(OSError):
            status = os.statvfs(existing(folder))
            free_bytes[folder] = status.f_bavail * status.f_frsize
    return lacking[:1] or ([min(free_bytes, key=free_bytes.__getitem__)] if free_bytes else folders)


def _read_only(folders: Sequence[Path]) -> Sequence[Path]:
    found = []
    for folder in folders:
        with suppress(OSError):
            if os.statvfs(existing(folder)).f_flag & os.ST_RDONLY:
                found.append(folder)
    return found[:1] or folders


def _gone(number: int, file: Path, folders: Sequence[Path], doing: str) -> FolderGoneError | None:
    """Return the problem of the topmost thing that is missing, or of a file that is where a folder should be."""
    for path in (*reversed(file.parents), file):
        if not path.exists():
            return FolderGoneError(path, doing) if number != errno.EEXIST else None
        is_folder_expected = path != file or any(path == folder.absolute() for folder in folders)
        if is_folder_expected and not path.is_dir():
            return FolderGoneError(path, doing, is_file=True)
    return FolderGoneError(file, doing) if number == errno.ENOENT else None
