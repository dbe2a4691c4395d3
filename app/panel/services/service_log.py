"""The output of a service: a file that it appends to itself, kept short, read by cursor."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.panel.services.protocol import LogChunk

MAX_BYTES: Final = 4 * 2**20
READ_BYTES: Final = 256 * 2**10


class ServiceLog:
    """`NAME.log` and, once that grew over `max_bytes`, the part before it as `NAME.log.1`.

    A cursor is a position in all that was ever written; `NAME.log.at` says where `NAME.log` begins. What is written
    in the very moment in which the file is rotated may be lost: the writer must never wait for us.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._old = path.with_name(f"{path.name}.1")
        self._at = path.with_name(f"{path.name}.at")
        self._max_bytes = max_bytes

    def open(self) -> int:
        """Return a file descriptor to append to, for a child's stdout and stderr; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def rotate(self) -> None:
        """Set the file aside once it is too long; call it now and then.

        Where the disk does not take that, the part before it goes first, so that the next call has room. Raises nothing.
        """
        if _size(self.path) <= self._max_bytes:
            return
        try:
            shutil.copyfile(self.path, self._old)
            copied = _size(self._old)
            os.truncate(self.path, 0)
            self._at.write_text(str(self._start_offset() + copied), "ascii")
        except OSError:  # nobody would supervise the service for it
            with suppress(OSError):
                self._old.unlink()

    def read(self, after: int, limit: int) -> LogChunk:
        """Return whole lines after the cursor, at most the last `limit`; with 0 the last lines there are."""
        begin = self._start_offset()
        oldest = begin - _size(self._old)
        end = begin + _size(self.path)
        start = after if oldest <= after <= end else oldest
        start = max(start, end - READ_BYTES)
        raw = b""
        if start < begin:
            raw += _read(self._old, start - oldest)
        raw += _read(self.path, max(0, start - begin))
        whole = raw.rfind(b"\n") + 1
        # The first line is cut where reading began in the middle of the text.
        is_cut = start not in {after, oldest}
        lines = raw[:whole].decode("utf-8", "replace").splitlines()[1 if is_cut else 0 :]
        return LogChunk(tuple(lines[-limit:]), start + whole)

    def _start_offset(self) -> int:
        try:
            return int(self._at.read_text("ascii"))
        except (OSError, ValueError):
            return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(READ_BYTES)
    except OSError:
        return b""
