"""One line of a run's log, and how raw output of a process becomes lines. Pure."""

from typing import Final, get_args

import msgspec

from pipeline.core.events import Level

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
MAX_TEXT_BYTES: Final = 16 * 1024  # a longer one would stall every reader that renders it
MAX_EVENT_BYTES: Final = 4 * 2**20  # a line of JSON is kept whole up to here, so that it can be parsed
EVENT_START: Final = b'{"event"'


class LogLine(msgspec.Struct, frozen=True):
    """One stored line: `seq` from 1 without gaps, `at` ISO 8601 UTC, `text` without line ends, any characters."""

    seq: int
    at: str
    stage: str
    attempt: int
    level: Level
    text: str


class LogCounts(msgspec.Struct, frozen=True):
    """Counts of a log so far; `first_error_seq` is None where there is no error."""

    n_lines: int
    n_warnings: int
    n_errors: int
    first_error_seq: int | None


class LineFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects lines: of a stage, of an attempt, of a level and above, with a text in them whatever the case.

    By default every line passes.
    """

    stage: str | None = None
    attempt: int | None = None
    level: Level | None = None
    text: str = ""

    def passes(self, line: LogLine) -> bool:
        """Return True if the filter selects the line."""
        return (
            (self.stage is None or line.stage == self.stage)
            and (self.attempt is None or line.attempt == self.attempt)
            and (self.level is None or LEVELS.index(line.level) >= LEVELS.index(self.level))
            and (not self.text or self.text.casefold() in line.text.casefold())
        )


def split_text(text: str) -> list[str]:
    """Return `text` as lines of at most 16 KiB in UTF-8; never empty. Characters stay whole, lone surrogates become `?`."""
    lines: list[str] = []
    for line in text.encode("utf-8", "replace").replace(b"\r\n", b"\n").split(b"\n"):
        lines += [piece.decode("utf-8", "replace") for piece in _pieces(line, MAX_TEXT_BYTES)]
    return lines


class LineSplitter:
    """Turns bytes as they arrive into whole lines.

    A carriage return starts the line again, as on a terminal, so of a progress bar only its last state remains.
    Bytes that are not UTF-8 become U+FFFD. A line beyond 16 KiB becomes several, unless it is an event.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes."""
        *whole, rest = (self._rest + data).split(b"\n")
        lines = [text for raw in whole for text in self._texts(raw)]
        limit = MAX_EVENT_BYTES if rest.startswith(EVENT_START) else MAX_TEXT_BYTES
        if len(rest) > limit:
            rest = _last_state(rest, whole_line=False)
            *full, rest = _pieces(rest, MAX_TEXT_BYTES)
            lines += [piece.decode("utf-8", "replace") for piece in full]
        self._rest = rest
        return lines

    def flush(self) -> list[str]:
        """Return what is left without a line end, as no line or one or more."""
        rest, self._rest = self._rest, b""
        return self._texts(rest) if rest else []

    @staticmethod
    def _texts(raw: bytes) -> list[str]:
        raw = _last_state(raw.removesuffix(b"\r"), whole_line=True)
        if raw.startswith(EVENT_START) and len(raw) <= MAX_EVENT_BYTES:
            return [raw.decode("utf-8", "replace")]
        return [piece.decode("utf-8", "replace") for piece in _pieces(raw, MAX_TEXT_BYTES)]


def _last_state(raw: bytes, *, whole_line: bool) -> bytes:
    """Return what a terminal would show of a line with carriage returns; of an unfinished line its last part only."""
    if b"\r" not in raw:
        return raw
    if whole_line:
        return next((part for part in reversed(raw.split(b"\r")) if part), b"")
    return raw[raw.rindex(b"\r") + 1 :]


def _pieces(raw: bytes, limit: int) -> list[bytes]:
    """Return `raw` cut into pieces of at most `limit` bytes, never inside a character of valid UTF-8; at least one piece."""
    pieces: list[bytes] = []
    start = 0
    while len(raw) - start > limit:
        cut = start + limit
        for back in range(4):
            if raw[cut - back] & 0xC0 != 0x80:  # the first byte of a character
                cut -= back
                break
        pieces.append(raw[start:cut])
        start = cut
    pieces.append(raw[start:])
    return pieces
