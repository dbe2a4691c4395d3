"""One line of a run's log."""

from typing import Final, Literal

import msgspec

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")
MAX_TEXT_BYTES: Final = 16 * 1024  # a longer one would stall every reader that renders it


class LogLine(msgspec.Struct, frozen=True):
    """A line as it is stored: `seq` from 1 without gaps, `at` ISO 8601 UTC, `text` without line ends, any characters."""

    seq: int
    at: str
    stage: str
    attempt: int
    level: Level
    text: str


class LogCounts(msgspec.Struct, frozen=True):
    """What a log holds so far; `first_error_seq` is None where there is no error."""

    n_lines: int
    n_warnings: int
    n_errors: int
    first_error_seq: int | None
