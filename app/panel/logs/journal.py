"""One log file: appended by one writer, read by many, by seq. Knows nothing of runs."""

import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from app.panel.logs.line import Level, LogCounts, LogLine

STEP: Final = 256  # every so many lines one remembers its offset: a read skips at most that many
KEPT_RECENT: Final = 1000  # lines kept in memory while the file is being written: a thousand followers cost no reads
BLOCK_BYTES: Final = 256 * 1024
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LogLine).decode

Piece = tuple[str, str, int, Level, str]  # at, stage, attempt, level, text


class Journal:
    """Line k of the file has seq k. A torn last line, left by a power cut, is dropped before the next is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._size = 0
        self._counts = LogCounts(0, 0, 0, None)
        self._offsets = [0]  # of lines 1, 1 + STEP, 1 + 2 STEP, ...
        self._recent: deque[bytes] = deque(maxlen=KEPT_RECENT)
        self._n_lost = 0
        self._lost_why = ""
        self._loaded = False  # a long file takes a second to scan: done by the first who waits, not by who constructs

    @property
    def idle(self) -> bool:
        """Whether nobody writes to it."""
        return self._fd is None

    def append(self, pieces: list[Piece]) -> int:
        """Write the pieces as lines and return the last seq. Where the disk refuses, they are counted as lost."""
        with self._lock:
            self._load()
            if not pieces:
                return self._counts.n_lines
            if self._n_lost:
                at, stage, attempt, _, _ = pieces[0]
                note = f"{self._n_lost} lines are missing here: {self._lost_why}."
                pieces = [(at, stage, attempt, "warning", note), *pieces]
            n_lines = self._counts.n_lines
            lines = [LogLine(n_lines + i, *piece) for i, piece in enumerate(pieces, 1)]
            encoded = [_encode(line) for line in lines]
            try:
                self._write(b"\n".join(encoded) + b"\n")
            except OSError as error:
                self._n_lost += len(pieces) - (1 if self._n_lost else 0)
                self._lost_why = (error.strerror or "the file could not be written").lower()
                return n_lines
            self._n_lost = 0
            for line, raw in zip(lines, encoded, strict=True):
                self._account(line, len(raw) + 1)
                self._recent.append(raw)
            return self._counts.n_lines

    def read(self, after: int, limit: int) -> list[bytes]:
        """Lines `after` + 1 to at most `after` + `limit`, without line ends."""
        after = max(after, 0)
        with self._lock:
            self._load()
            size, end = self._size, min(self._counts.n_lines, after + limit)
            if after >= end:
                return []
            step = after // STEP
            offset, skip = self._offsets[step], after - step * STEP
        lines: list[bytes] = []
        wanted = skip + end - after
        with self._path.open("rb") as file:
            file.seek(offset)
            rest = b""
            while len(lines) < wanted and offset < size:
                block = file.read(min(BLOCK_BYTES, size - offset))
                if not block:
                    break
                offset += len(block)
                *whole, rest = (rest + block).split(b"\n")
                lines += whole
        return lines[skip:wanted]

    def recent(self, after: int, limit: int) -> list[bytes] | None:
        """As `read`, if memory holds it; else None. Does not wait for the disk."""
        if not self._loaded:
            return None
        with self._lock:
            n_lines, n_recent = self._counts.n_lines, len(self._recent)
            if after >= n_lines:
                return []
            first = n_lines - n_recent  # lines up to this one are on disk only
            if after < first:
                return None
            start = after - first
            return [self._recent[i] for i in range(start, min(start + limit, n_recent))]

    def counts(self) -> LogCounts:
        """What it holds so far."""
        with self._lock:
            self._load()
            return self._counts

    def close(self) -> None:
        """Make it durable and close the file; a later append opens it again."""
        with self._lock:
            if self._fd is not None:
                try:
                    os.fsync(self._fd)
                finally:
                    os.close(self._fd)
                    self._fd = None
            self._recent.clear()

    def _write(self, data: bytes) -> None:
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            os.ftruncate(self._fd, self._size)
        view, offset = memoryview(data), self._size
        try:
            while view:
                n_bytes = os.pwrite(self._fd, view, offset)
                view, offset = view[n_bytes:], offset + n_bytes
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise

    def _load(self) -> None:
        if self._loaded:
            return
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._loaded = True
            return
        with file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                try:
                    line = _decode(raw)
                except msgspec.MsgspecError:
                    break
                self._account(line, len(raw))
        self._loaded = True

    def _account(self, line: LogLine, n_bytes: int) -> None:
        n_lines, n_warnings, n_errors, first_error = msgspec.structs.astuple(self._counts)
        self._size += n_bytes
        if line.level == "error" and first_error is None:
            first_error = line.seq
        self._counts = LogCounts(
            n_lines + 1, n_warnings + (line.level == "warning"), n_errors + (line.level == "error"), first_error
        )
        if self._counts.n_lines % STEP == 0:
            self._offsets.append(self._size)
