"""Where backups are kept: a folder of this machine, or anything else that fsspec has a file system for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from app.panel.backups.archive import SUFFIX
from app.panel.backups.problems import BackupNotFoundError, BackupPlaceError
from pipeline.core.product import NAME

STAMP: Final = "%Y%m%d-%H%M%S"
BACKUP_NAME: Final = re.compile(rf"{NAME}-(\d{{8}}-\d{{6}}){re.escape(SUFFIX)}")
PART: Final = ".part"  # until it is whole, and known to be


@dataclass(frozen=True)
class Backup:
    """A backup that is whole: it was read again before it was given its name."""

    name: str
    n_bytes: int
    created_at: datetime


def backup_name(at: datetime) -> str:
    """Return the name of a backup of that time."""
    return f"{NAME}-{at:{STAMP}}{SUFFIX}"


class Place:
    """Sync. Each method raises BackupPlaceError where the place refuses or cannot be reached."""

    def __init__(self, url: str) -> None:
        """`url` is a path or a URL such as `s3://bucket/folder`. Raises BackupPlaceError for what fsspec does not know."""
        # Most commands of the terminal need no place.
        import fsspec  # noqa: PLC0415

        self.title = shown(url)
        with self._translated():
            self._fs: Any
            self._fs, self._folder = fsspec.core.url_to_fs(url)

    def list(self) -> list[Backup]:
        """Return the backups, newest first."""
        with self._translated():
            if not self._fs.exists(self._folder):
                return []
            if self._fs.isfile(self._folder):
                raise NotADirectoryError("it is a file, and no folder")
            self._fs.invalidate_cache(self._folder)
            entries = self._fs.ls(self._folder, detail=True)
        found = []
        for entry in entries:
            name = str(entry["name"]).rstrip("/").rpartition("/")[2]
            if match := BACKUP_NAME.fullmatch(name):
                at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
                found.append(Backup(name, int(entry.get("size") or 0), at))
        return sorted(found, key=lambda backup: backup.name, reverse=True)

    def put(self, file: Path, name: str) -> None:
        """Copy a file there, under a name of its own until it is whole."""
        target = self._path(name)
        with self._translated():
            self._fs.makedirs(self._folder, exist_ok=True)
            self._fs.invalidate_cache(self._folder)
            for left in self._fs.ls(self._folder, detail=False):  # by a panel that was killed
                if str(left).endswith(SUFFIX + PART):
                    self._fs.rm_file(left)
            self._fs.put_file(str(file), target + PART)
            self._fs.mv(target + PART, target)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a backup for reading. Raises BackupNotFoundError; what reading it raises is the caller's."""
        path = self._path(name)
        with self._translated(name):
            file = self._fs.open(path, "rb")
        with file:
            yield file

    def remove(self, name: str) -> None:
        """Delete a backup."""
        with self._translated(name):
            self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        if not BACKUP_NAME.fullmatch(name):
            raise BackupNotFoundError(name)
        return f"{self._folder.rstrip('/')}/{name}"

    @contextmanager
    def _translated(self, name: str = "") -> Iterator[None]:
        """Raise a problem for whatever the libraries below raise: they have no class of errors in common."""
        try:
            yield
        except FileNotFoundError as error:
            raise (BackupNotFoundError(name) if name else BackupPlaceError(self.title, error)) from error
        except Exception as error:
            raise BackupPlaceError(self.title, error) from error


def shown(url: str) -> str:
    """Return the URL without name and password."""
    parts = urlsplit(url)
    return url if "@" not in parts.netloc else url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
