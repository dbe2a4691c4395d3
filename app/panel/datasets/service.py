"""What can be done with raw tables: list, add, take away. Looks at names and sizes only; a run judges the content."""

import contextlib
import os
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from app.panel.clock import Clock
from pipeline.core.bundle import fsync_dir
from pipeline.core.problems import ProblemError
from pipeline.core.product import TABLE_SUFFIXES

# As in pipeline.ingest.sample_table, which the panel must not import: it brings numpy.
MAX_UPLOAD_BYTES: Final = 1 << 30
MAX_NAME_BYTES: Final = 200  # a file system takes 255, and what is taken away gets its time in front
NAME: Final = re.compile(r"[\w][\w .()+-]{0,119}")
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Table:
    """One file in `data/raw`."""

    name: str
    n_bytes: int
    changed_at: datetime


class Datasets:
    """The verbs. Sync; nothing is ever deleted: what is taken away lies in `data/replaced/` afterwards."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._raw = data_dir / "raw"
        self._replaced = data_dir / "replaced"
        self._clock = clock
        self._placing = threading.Lock()

    def tables(self) -> tuple[Table, ...]:
        """The files that the next run reads, by name. Raises ProblemError FILE-06 (503) where they cannot be listed."""
        try:
            return tuple(sorted(self._tables(), key=lambda table: table.name))
        except OSError as error:
            raise ProblemError(
                "FILE-06",
                "The tables cannot be listed.",
                why=f"data/raw: {error.strerror or error}.",
                fix="Make data/raw a folder that the panel's user may read.",
                command="ls -ld data/raw",
                status=503,
            ) from error

    def add(self, name: str, content: BinaryIO, *, replace: bool) -> Table:
        """Write a new table, whole or not at all; with `replace` the ones that were there are taken away.

        Raises ProblemError FILE-01 (422, name), FILE-02 (422, empty), FILE-03 (409, name is taken), FILE-05 (507, disk).
        """
        check_name(name)
        if not replace:
            self._check_free(name)
        part = self._raw / f".upload-{secrets.token_hex(8)}"
        try:
            self._raw.mkdir(parents=True, exist_ok=True)
            n_bytes = _write(part, content)
            if n_bytes == 0:
                raise ProblemError(
                    "FILE-02",
                    f"{name} is empty.",
                    why="The upload had no bytes.",
                    fix="Choose a file with a header and rows.",
                    status=422,
                )
            with self._placing:
                self._place(part, name, replace=replace)
        except OSError as error:
            raise ProblemError(
                "FILE-05",
                f"{name} could not be written.",
                why=f"{error.strerror or error}.",
                fix="Free some space, or make data/raw writable.",
                command="df -h",
                status=507,
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return Table(name, n_bytes, self._clock.now())

    def remove(self, name: str) -> None:
        """Take a table away, into `data/replaced/`. Raises ProblemError FILE-04 (404) if there is none of that name."""
        if name not in {table.name for table in self.tables()}:
            raise ProblemError(
                "FILE-04", "There is no such table.", why=f"{name[:80]!r} is not in data/raw.", status=404
            )
        self._take_away(name)

    def _place(self, part: Path, name: str, *, replace: bool) -> None:
        """The new table first, then the others away: killed in between there are two, never none, since an empty
        folder gets the built-in table at the next start."""
        others: list[str] = []
        if replace:
            kept = self._kept(name)  # where it cannot be made, nothing has changed yet
            others = [table.name for table in self.tables() if table.name != name]
            with contextlib.suppress(OSError):  # nothing of that name, or a file system without second names
                os.link(self._raw / name, kept)
            if not kept.exists() and (self._raw / name).exists():
                self._take_away(name)
        else:
            self._check_free(name)
        part.replace(self._raw / name)
        fsync_dir(self._raw)
        for other in others:
            self._take_away(other)

    def _check_free(self, name: str) -> None:
        if (self._raw / name).exists():
            raise ProblemError(
                "FILE-03",
                f"There is a file {name} already.",
                why="A new file does not silently replace another one.",
                fix="Give it another name, or tick “replace the tables that are there”.",
                status=409,
            )

    def _take_away(self, name: str) -> None:
        (self._raw / name).replace(self._kept(name))

    def _kept(self, name: str) -> Path:
        """Where a table goes that is taken away."""
        self._replaced.mkdir(parents=True, exist_ok=True)
        # Down to the microsecond: what was taken away a moment ago under the same name is not overwritten.
        return self._replaced / f"{self._clock.now():%Y%m%d-%H%M%S-%f}-{name}"

    def _tables(self) -> Iterator[Table]:
        try:
            found = list(os.scandir(self._raw))
        except FileNotFoundError:
            return
        for entry in found:
            if (
                entry.name.startswith(".")
                or Path(entry.name).suffix.lower() not in TABLE_SUFFIXES
                or not entry.is_file()
            ):
                continue
            try:
                facts = entry.stat()
            except FileNotFoundError:  # taken away this moment
                continue
            yield Table(entry.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def check_name(name: str) -> None:
    """Raise FILE-01 unless `name` is a plain file name of a table: no path, no hidden file, a known ending."""
    is_short = len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
    if not is_short or not NAME.fullmatch(name) or Path(name).suffix.lower() not in TABLE_SUFFIXES:
        raise ProblemError(
            "FILE-01",
            f"{name[:80]!r} cannot be the name of a table.",
            why=f"A name is short, has letters, digits, spaces and . ( ) + - _ and ends in {', '.join(TABLE_SUFFIXES)}.",
            fix="Rename the file and send it again.",
            status=422,
        )


def _write(path: Path, content: BinaryIO) -> int:
    n_bytes = 0
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            n_bytes += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return n_bytes
