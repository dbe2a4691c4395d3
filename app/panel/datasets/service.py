"""Lists, adds and removes raw tables. Looks at names and sizes only; `preview` looks at the content."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.panel.audit.log import AuditLog
from app.panel.clock import Clock
from app.panel.datasets.problems import (
    EmptyUploadError,
    TableExistsError,
    TableNameError,
    TablesUnreadableError,
    TableWriteError,
    UnknownTableError,
)
from app.panel.datasets.uploads import Upload
from pipeline.core.atomic_files import fsync_dir
from pipeline.core.table_files import has_table_suffix, is_table

MAX_UPLOAD_BYTES: Final = 1 << 30  # bounds the disk space that one request may fill
MAX_NAME_BYTES: Final = 200  # a file system takes 255, and an archived file gets its time in front
TABLE_NAME: Final = re.compile(r"[\w][\w .()+-]{0,119}")


@dataclass(frozen=True)
class Table:
    """One file in `data/raw`."""

    name: str
    n_bytes: int
    changed_at: datetime


class Datasets:
    """Sync. Nothing is ever deleted: what is removed or replaced is moved to `data/replaced/`."""

    def __init__(self, data_dir: Path, clock: Clock, audit: AuditLog) -> None:
        self._raw = data_dir / "raw"
        self._replaced = data_dir / "replaced"
        self._clock = clock
        self._audit = audit
        self._place_lock = threading.Lock()

    def tables(self) -> tuple[Table, ...]:
        """Return the files that the next run reads, by name. Raises ProblemError FILE-06 (503) if they cannot be listed."""
        try:
            return tuple(sorted(self._tables(), key=lambda table: table.name))
        except OSError as error:
            raise TablesUnreadableError(error) from error

    def add(self, upload: Upload) -> Table:
        """Put a table that has arrived in place and return it; if it replaces the existing ones, they are archived.

        Raises ProblemError FILE-01 (422, name), FILE-02 (422, empty), FILE-03 (409, name is taken), FILE-05 (507, disk).
        """
        name, replace = upload.name, upload.replace
        self.check(upload)
        try:
            with self._place_lock:
                self._place(upload.part, name, replace=replace)
        except OSError as error:
            raise TableWriteError(name, error, self._raw.parent) from error
        self._audit.note("dataset.upload", name, after={"n_bytes": upload.n_bytes, "replace": replace})
        return Table(name, upload.n_bytes, self._clock.now())

    def check(self, upload: Upload) -> None:
        """Raise as `add` does for a name that does not fit or is taken, and for an empty file."""
        check_name(upload.name)
        if not upload.replace:
            self._check_free(upload.name)
        if upload.n_bytes == 0:
            raise EmptyUploadError(upload.name)

    def remove(self, name: str) -> None:
        """Move a table to `data/replaced/`. Raises ProblemError FILE-04 (404) if there is none of that name."""
        n_bytes = {table.name: table.n_bytes for table in self.tables()}
        if name not in n_bytes:
            raise UnknownTableError(name)
        self._archive(name)
        self._audit.note("dataset.remove", name, before={"n_bytes": n_bytes[name]})

    def _place(self, part: Path, name: str, *, replace: bool) -> None:
        """Put the new table in place first, then archive the others.

        A kill in between leaves two tables, never none: an empty folder gets the built-in table at the next start.
        """
        others: list[str] = []
        if replace:
            archived = self._archive_path(name)  # if the folder cannot be created, nothing has changed yet
            others = [table.name for table in self.tables() if table.name != name]
            with contextlib.suppress(OSError):  # nothing of that name, or a file system without hard links
                os.link(self._raw / name, archived)
            if not archived.exists() and (self._raw / name).exists():
                self._archive(name)
        else:
            self._check_free(name)
        part.replace(self._raw / name)
        fsync_dir(self._raw)
        for other in others:
            self._archive(other)

    def _check_free(self, name: str) -> None:
        if (self._raw / name).exists():
            raise TableExistsError(name)

    def _archive(self, name: str) -> None:
        (self._raw / name).replace(self._archive_path(name))

    def _archive_path(self, name: str) -> Path:
        """Return where a table goes that is removed or replaced."""
        self._replaced.mkdir(parents=True, exist_ok=True)
        # To the microsecond: a file archived a moment ago under the same name is not overwritten.
        return self._replaced / f"{self._clock.now():%Y%m%d-%H%M%S-%f}-{name}"

    def _tables(self) -> Iterator[Table]:
        try:
            paths = list(self._raw.iterdir())
        except FileNotFoundError:
            return
        for path in filter(is_table, paths):
            try:
                status = path.stat()
            except FileNotFoundError:  # removed meanwhile
                continue
            yield Table(path.name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def check_name(name: str) -> None:
    """Raise FILE-01 unless `name` is a plain file name of a table: no path, no hidden file, a known ending."""
    is_short = len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
    if not is_short or not TABLE_NAME.fullmatch(name) or not has_table_suffix(name):
        raise TableNameError(name)
