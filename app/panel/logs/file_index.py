"""What is known of a log file, and how its lines are read although somebody or the disk has damaged some of them."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from app.panel.logs.line import LogCounts, LogLine

INDEX_STRIDE: Final = 256  # the offset of every 256th line is kept: a read skips fewer lines than that
BLOCK_BYTES: Final = 256 * 1024
SECTOR_BYTES: Final = 4096  # what is lost of a file where the disk cannot read
SHOWN_DAMAGE: Final = 2000  # characters of a damaged line that are shown
NO_LINE: Final = LogLine(0, "1970-01-01T00:00:00.000+00:00", "", 0, "info", "")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LogLine).decode


class Signature(NamedTuple):
    """Tells a file from what becomes of it when somebody else writes or replaces it. All 0: there is no file."""

    device: int = 0
    inode: int = 0
    n_bytes: int = 0
    modified_ns: int = 0

    @classmethod
    def of(cls, file: Path | int) -> "Signature":
        """Return the signature of a path or an open file."""
        try:
            status = os.fstat(file) if isinstance(file, int) else file.stat()
        except FileNotFoundError:
            return cls()
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(slots=True)
class FileIndex:
    """Line k of the file has seq k."""

    size: int = 0
    counts: LogCounts = LogCounts(0, 0, 0, None)  # noqa: RUF009 - immutable
    offsets: list[int] = field(default_factory=lambda: [0])  # of lines 1, 1 + INDEX_STRIDE, 1 + 2 INDEX_STRIDE, ...
    starts: dict[tuple[str, int], str] = field(
        default_factory=dict
    )  # when each attempt of a stage wrote its first line
    damaged: dict[int, LogLine] = field(default_factory=dict)  # seq to the line that readers get instead

    def add(self, line: LogLine, n_bytes: int) -> None:
        """Take up the next line, which takes `n_bytes` of the file."""
        n_lines, n_warnings, n_errors, first_error = msgspec.structs.astuple(self.counts)
        self.size += n_bytes
        if line.level == "error" and first_error is None:
            first_error = line.seq
        self.counts = LogCounts(
            n_lines + 1, n_warnings + (line.level == "warning"), n_errors + (line.level == "error"), first_error
        )
        self.starts.setdefault((line.stage, line.attempt), line.at)
        if self.counts.n_lines % INDEX_STRIDE == 0:
            self.offsets.append(self.size)


def scan(path: Path) -> FileIndex:
    """Return the index of the whole lines of a file; of none where there is no file. Raises OSError."""
    index, line = FileIndex(), NO_LINE
    for seq, raw in enumerate(_whole_lines(path, 0), 1):
        stored = decode_line(raw)
        line = _damaged(raw, line) if stored is None else stored
        if line.seq != seq:
            line = msgspec.structs.replace(line, seq=seq)
        if stored is None:
            index.damaged[seq] = line
        index.add(line, len(raw) + 1)
    return index


def read_lines(path: Path, index: FileIndex, after: int, end: int) -> list[bytes]:
    """Return lines `after` + 1 to `end` as they should be, fewer where the file has become shorter. Raises OSError.

    A line that cannot be read is one that says so; one whose number is not its place (lines were cut out before it) gets
    the right number.
    """
    entry = after // INDEX_STRIDE
    lines: list[bytes] = []
    line = NO_LINE
    for seq, raw in enumerate(_whole_lines(path, index.offsets[entry]), entry * INDEX_STRIDE + 1):
        if seq > end:
            break
        stored = index.damaged.get(seq) or decode_line(raw)
        line = msgspec.structs.replace(_damaged(raw, line), seq=seq) if stored is None else stored
        if seq > after:
            # Our own lines hold no raw carriage return, which would end a line of a stream; an editor may have added some.
            is_stored = line.seq == seq and seq not in index.damaged and stored is not None and b"\r" not in raw
            lines.append(raw if is_stored else _encode(msgspec.structs.replace(line, seq=seq)))
    return lines


def decode_line(raw: bytes) -> LogLine | None:
    """Return the line, None if it is damaged."""
    try:
        line = _decode(raw)
        at = datetime.fromisoformat(line.at)
    except (msgspec.MsgspecError, ValueError):
        return None
    # Only what can be turned into any zone; `at` is not checked again by who shows it.
    return line if at.tzinfo is not None and 1970 <= at.year < 9999 else None


def _damaged(raw: bytes, before: LogLine) -> LogLine:
    text = raw.strip(b"\0\n").decode("utf-8", "replace")[:SHOWN_DAMAGE]
    text = f"This line of the log file is damaged: {text}"
    return msgspec.structs.replace(before, level="warning", text=text)


def _whole_lines(path: Path, offset: int) -> Iterator[bytes]:
    """Yield the lines from `offset` on that have an end, without it; none where there is no file."""
    rest = b""
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        while block := _read(file.fileno(), BLOCK_BYTES, offset):
            offset += len(block)
            *whole, rest = (rest + block).split(b"\n")
            yield from whole


def _read(fd: int, n_bytes: int, offset: int) -> bytes:
    """Return the bytes at `offset`, with zeros for the sectors that the disk cannot read."""
    try:
        return os.pread(fd, n_bytes, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    if n_bytes > SECTOR_BYTES:
        return b"".join(_read(fd, SECTOR_BYTES, offset + at) for at in range(0, n_bytes, SECTOR_BYTES))
    n_left = os.fstat(fd).st_size - offset
    return b"\0" * max(0, min(n_bytes, n_left))
