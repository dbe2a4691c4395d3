"""One log file: appended by one writer, read by many, by seq. Knows nothing of runs."""

import logging
import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from app.panel.logs.file_index import NO_LINE, FileIndex, Signature, read_lines, scan
from app.panel.logs.line import LogCounts, LogLine
from pipeline.core.events import Level

log = logging.getLogger(__name__)

KEPT_RECENT: Final = 1000  # lines kept in memory while the file is being written: a thousand followers cost no reads
REMOVED: Final = "This line was removed from the log file."
_encode = msgspec.json.Encoder().encode

Record = tuple[str, str, int, Level, str]  # at, stage, attempt, level, text


class Journal:
    """Line k of the file has seq k. A torn last line, left by a power cut, is dropped before the next is written.

    A whole line that cannot be read (a bad sector, an editor) keeps its place: readers get one that says so there. A file
    that somebody else has changed, replaced or cut is scanned again; numbers that were given out are not given again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # of the file; held while the disk works
        self._memory = threading.Lock()  # of what is known of the file; never held for long
        self._fd: int | None = None
        self._index = FileIndex()
        self._signature: Signature | None = None  # of the file that the index is of; None: not scanned yet
        self._recent: deque[bytes] = deque(maxlen=KEPT_RECENT)
        self._n_lost = 0
        self._lost_why = ""

    @property
    def idle(self) -> bool:
        """Return True while nobody writes to it."""
        return self._fd is None

    def append(self, records: list[Record]) -> int:
        """Write the records as lines and return the last seq. Where the disk refuses, they are counted as lost."""
        with self._lock:
            try:
                self._refresh()
                return self._append(records)
            except OSError as error:
                self._n_lost += len(records)
                self._lost_why = (error.strerror or "the file could not be written").lower()
                return self._index.counts.n_lines

    def read(self, after: int, limit: int) -> list[bytes]:
        """Return lines `after` + 1 to at most `after` + `limit`, without line ends."""
        after = max(after, 0)
        index = self._current()
        with self._memory:
            end = min(index.counts.n_lines, after + limit)
        return read_lines(self._path, index, after, end) if after < end else []

    def recent(self, after: int, limit: int) -> list[bytes] | None:
        """Return what `read` would, if memory holds it, else None. Does not wait for the disk."""
        if self._signature is None:
            return None
        with self._memory:
            n_lines, n_recent = self._index.counts.n_lines, len(self._recent)
            if after >= n_lines:
                return []
            first = n_lines - n_recent  # lines up to this one are on disk only
            if after < first:
                return None
            start = after - first
            return [self._recent[i] for i in range(start, min(start + limit, n_recent))]

    def counts(self) -> LogCounts:
        """Return how many lines, warnings and errors it holds so far."""
        return self._current().counts

    def starts(self) -> dict[tuple[str, int], str]:
        """Return the times of the first lines by stage and attempt."""
        index = self._current()
        with self._memory:
            return dict(index.starts)

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
        n_lines = self._index.counts.n_lines
        if not records:
            return n_lines
        if self._n_lost:
            at, stage, attempt, _, _ = records[0]
            lost = "1 line is" if self._n_lost == 1 else f"{self._n_lost} lines are"
            note = f"{lost} missing here: {self._lost_why}."
            records = [(at, stage, attempt, "warning", note), *records]
        self._write([LogLine(n_lines + i, *record) for i, record in enumerate(records, 1)])
        self._n_lost = 0
        return self._index.counts.n_lines

    def _write(self, lines: list[LogLine]) -> None:
        encoded = [_encode(line) for line in lines]
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._fd, self._index.size)
        view, offset = memoryview(b"\n".join(encoded) + b"\n"), self._index.size
        try:
            while view:
                n_bytes = os.pwrite(self._fd, view, offset)
                view, offset = view[n_bytes:], offset + n_bytes
        except OSError:
            os.ftruncate(self._fd, self._index.size)
            raise
        finally:
            self._signature = Signature.of(self._fd)
        with self._memory:
            for line, raw in zip(lines, encoded, strict=True):
                self._index.add(line, len(raw) + 1)
                self._recent.append(raw)

    def _current(self) -> FileIndex:
        """Return the index of the file as it is now."""
        # While somebody writes, that is the one who looks.
        if self._lock.acquire(blocking=self._signature is None):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._index

    def _refresh(self) -> None:
        """Scan the file, unless it is as this journal has left it. A long one takes a second. The lock is held."""
        signature = Signature.of(self._path)
        if signature == self._signature:
            return
        index = scan(self._path)
        n_given = self._index.counts.n_lines
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        with self._memory:
            self._index, self._signature = index, signature
            self._recent.clear()
        n_missing = n_given - index.counts.n_lines
        if n_missing > 0:
            log.warning("action=scan_log path=%s n_removed=%d", self._path, n_missing)
        if n_missing > 0 and fd is not None:  # readers have got these numbers; the next line must not have one of them
            at, stage, attempt = _last_place(index)
            first = index.counts.n_lines + 1
            self._write([LogLine(first + i, at, stage, attempt, "warning", REMOVED) for i in range(n_missing)])


def _last_place(index: FileIndex) -> tuple[str, str, int]:
    """Return when the newest attempt in the file began, its stage and its number."""
    if not index.starts:
        return NO_LINE.at, NO_LINE.stage, NO_LINE.attempt
    (stage, attempt), at = max(index.starts.items(), key=lambda item: item[1])
    return at, stage, attempt
