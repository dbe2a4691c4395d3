"""One log file: appended by one writer, read by many, by seq. Knows nothing of runs."""

import logging
import os
import threading
from collections import deque
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from app.panel.logs.line import LogCounts, LogLine
from pipeline.core.events import Level

log = logging.getLogger(__name__)

INDEX_STRIDE: Final = 256  # the offset of every 256th line is kept: a read skips fewer lines than that
KEPT_RECENT: Final = 1000  # lines kept in memory while the file is being written: a thousand followers cost no reads
BLOCK_BYTES: Final = 256 * 1024
SHOWN_DAMAGE: Final = 2000  # characters of a damaged line that are shown
NO_LINE: Final = LogLine(0, "1970-01-01T00:00:00.000+00:00", "", 0, "info", "")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LogLine).decode

Record = tuple[str, str, int, Level, str]  # at, stage, attempt, level, text


class Journal:
    """Line k of the file has seq k. A torn last line, left by a power cut, is dropped before the next is written.

    A whole line that cannot be read (a bad sector, an editor) keeps its place: readers get one that says so there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # of the file; held while the disk works
        self._memory = threading.Lock()  # of what is known of the file; never held for long
        self._fd: int | None = None
        self._size = 0
        self._counts = LogCounts(0, 0, 0, None)
        self._offsets = [0]  # of lines 1, 1 + INDEX_STRIDE, 1 + 2 INDEX_STRIDE, ...
        self._starts: dict[tuple[str, int], str] = {}  # when each attempt of a stage wrote its first line
        self._repaired: dict[int, bytes] = {}  # seq to the line that readers get instead of the file's
        self._recent: deque[bytes] = deque(maxlen=KEPT_RECENT)
        self._n_lost = 0
        self._lost_why = ""
        self._loaded = False  # a long file takes a second to scan: the first reader does that, not the constructor

    @property
    def idle(self) -> bool:
        """Return True while nobody writes to it."""
        return self._fd is None

    def append(self, records: list[Record]) -> int:
        """Write the records as lines and return the last seq. Where the disk refuses, they are counted as lost."""
        with self._lock:
            try:
                self._load()
                return self._append(records)
            except OSError as error:
                self._n_lost += len(records)
                self._lost_why = (error.strerror or "the file could not be written").lower()
                return self._counts.n_lines

    def read(self, after: int, limit: int) -> list[bytes]:
        """Return lines `after` + 1 to at most `after` + `limit`, without line ends."""
        after = max(after, 0)
        self._ensure_loaded()
        with self._memory:
            size, end = self._size, min(self._counts.n_lines, after + limit)
            if after >= end:
                return []
            entry = after // INDEX_STRIDE
            offset, skip = self._offsets[entry], after - entry * INDEX_STRIDE
        lines: list[bytes] = []
        n_lines = skip + end - after
        with self._path.open("rb") as file:
            file.seek(offset)
            rest = b""
            while len(lines) < n_lines and offset < size:
                block = file.read(min(BLOCK_BYTES, size - offset))
                if not block:
                    break
                offset += len(block)
                *whole, rest = (rest + block).split(b"\n")
                lines += whole
        lines = lines[skip:n_lines]
        if self._repaired:
            lines = [self._repaired.get(seq, raw) for seq, raw in enumerate(lines, after + 1)]
        return lines

    def recent(self, after: int, limit: int) -> list[bytes] | None:
        """Return what `read` would, if memory holds it, else None. Does not wait for the disk."""
        if not self._loaded:
            return None
        with self._memory:
            n_lines, n_recent = self._counts.n_lines, len(self._recent)
            if after >= n_lines:
                return []
            first = n_lines - n_recent  # lines up to this one are on disk only
            if after < first:
                return None
            start = after - first
            return [self._recent[i] for i in range(start, min(start + limit, n_recent))]

    def counts(self) -> LogCounts:
        """Return how many lines, warnings and errors it holds so far."""
        self._ensure_loaded()
        with self._memory:
            return self._counts

    def starts(self) -> dict[tuple[str, int], str]:
        """Return the times of the first lines by stage and attempt."""
        self._ensure_loaded()
        with self._memory:
            return dict(self._starts)

    def close(self) -> None:
        """Make it durable, as far as the disk can, and close the file; a later append opens it again."""
        with self._lock:
            fd, self._fd = self._fd, None
            if fd is not None:
                try:
                    os.fsync(fd)
                except OSError as error:  # the lines are written; whether they outlive a power cut is not known
                    log.warning("action=close_log path=%s error=%s", self._path, error)
                os.close(fd)
            with self._memory:
                self._recent.clear()

    def _append(self, records: list[Record]) -> int:
        n_lines = self._counts.n_lines
        if not records:
            return n_lines
        if self._n_lost:
            at, stage, attempt, _, _ = records[0]
            lost = "1 line is" if self._n_lost == 1 else f"{self._n_lost} lines are"
            note = f"{lost} missing here: {self._lost_why}."
            records = [(at, stage, attempt, "warning", note), *records]
        lines = [LogLine(n_lines + i, *record) for i, record in enumerate(records, 1)]
        encoded = [_encode(line) for line in lines]
        self._write(b"\n".join(encoded) + b"\n")
        self._n_lost = 0
        with self._memory:
            for line, raw in zip(lines, encoded, strict=True):
                self._account(line, len(raw) + 1)
                self._recent.append(raw)
            return self._counts.n_lines

    def _write(self, data: bytes) -> None:
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._fd, self._size)
        view, offset = memoryview(data), self._size
        try:
            while view:
                n_bytes = os.pwrite(self._fd, view, offset)
                view, offset = view[n_bytes:], offset + n_bytes
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise

    def _ensure_loaded(self) -> None:
        if not self._loaded:
            with self._lock:
                self._load()

    def _load(self) -> None:
        if self._loaded:
            return
        # From scratch: an earlier attempt may have failed half-way.
        self._size, self._counts, self._offsets, self._repaired = 0, LogCounts(0, 0, 0, None), [0], {}
        self._starts = {}
        line = NO_LINE
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            for seq, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    break
                stored = _decode_line(raw)
                if stored is None:
                    text = raw.strip(b"\0\n").decode("utf-8", "replace")[:SHOWN_DAMAGE]
                    stored = msgspec.structs.replace(
                        line, level="warning", text=f"This line of the log file is damaged: {text}"
                    )
                line = msgspec.structs.replace(stored, seq=seq)
                if stored.seq != seq:
                    self._repaired[seq] = _encode(line)
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
        self._starts.setdefault((line.stage, line.attempt), line.at)
        if self._counts.n_lines % INDEX_STRIDE == 0:
            self._offsets.append(self._size)


def _decode_line(raw: bytes) -> LogLine | None:
    """Return the line, None if it is damaged."""
    try:
        line = _decode(raw)
        at = datetime.fromisoformat(line.at)
    except (msgspec.MsgspecError, ValueError):
        return None
    # Only what can be turned into any zone; `at` is not checked again by who shows it.
    return line if at.tzinfo is not None and 1970 <= at.year < 9999 else None
