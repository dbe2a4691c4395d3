"""CSV in and out: what a person pastes becomes plain CSV, what comes back becomes a preview and a safe file. Blocking."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Final

from app.frontend.problems import UnexpectedApiResponseError, UnreadableTableError
from app.frontend.views import RowError
from app.web.formats import short_number

PREVIEW_ROWS: Final = 20
SHOWN_ERRORS: Final = 20
SHOWN_COUNTS: Final = 12
CHUNK_BYTES: Final = 64 * 1024
# The API answers a table while it reads it, and an HTTP client reads an answer when it has sent everything: a longer
# piece could leave both waiting for the other. This is the number of rows that the API reads before it answers.
BLOCK_ROWS: Final = 1_000
ERROR_COLUMN: Final = "error"
PREDICTION_COLUMN: Final = "prediction"
# What a spreadsheet would run as a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Summary:
    """What is known of a result so far."""

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    n_rows: int = 0
    n_failed: int = 0
    errors: list[RowError] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    n_numbers: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    @property
    def spread(self) -> str:
        """Smallest, mean and largest prediction of a regression."""
        if not self.n_numbers:
            return ""
        mean = short_number(self.total / self.n_numbers)
        return f"from {short_number(self.low)} to {short_number(self.high)}, {mean} on average"


def read_head(file: IO[bytes]) -> tuple[list[str], str]:
    """The header of a CSV file and its delimiter (comma, semicolon or tab). Raises ProblemError APP-07."""
    file.seek(0)
    raw = file.read(CHUNK_BYTES)
    file.seek(0)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableTableError(
            "This is a workbook of a spreadsheet program, not CSV.", "Save it there as CSV and send that."
        )
    if raw.startswith(b"PAR1"):
        raise UnreadableTableError("This is a Parquet file, not CSV.", "Save it as CSV and send that.")
    if raw.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml", b'{"', b"[{")):
        raise UnreadableTableError(
            "This looks like a web page or JSON, not like a table.", "Send a CSV file with a header line."
        )
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
    except UnicodeDecodeError:
        raise UnreadableTableError("Its text is not UTF-8.", "Save it as “CSV UTF-8” and send that.") from None
    if "\0" in text:
        raise UnreadableTableError("It holds bytes that no text has.", "Save it as “CSV UTF-8” and send that.")
    lines = text.lstrip("\r\n").splitlines()
    if not lines or not lines[0].strip():
        raise UnreadableTableError("There is nothing in it.", "Paste a table with a header line, or choose a file.")
    counts = {delimiter: lines[0].count(delimiter) for delimiter in (",", "\t", ";")}
    delimiter = max(counts, key=lambda key: counts[key]) if any(counts.values()) else ","
    if len(lines) < 2:
        raise UnreadableTableError("It has a header line and no rows.", "Add at least one row below the header.")
    return next(csv.reader([lines[0]], delimiter=delimiter)), delimiter


def blocks(source: IO[bytes], delimiter: str) -> Iterator[bytes]:
    """The table in pieces of plain CSV, each with the header line. Raises ProblemError APP-07."""
    source.seek(0)
    try:
        with _as_text(source, "utf-8-sig") as text:
            reader = csv.reader(text, delimiter=delimiter)
            header = next(reader)
            while rows := [row for row in islice(reader, BLOCK_ROWS) if row]:
                yield written([header, *rows]).encode()
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableTableError(f"{error}.", "Save it as “CSV UTF-8” and send that.") from None


class Collector:
    """Takes the API's answers one after the other, writes them to `target` with formulas made harmless, and counts."""

    def __init__(self, target: IO[bytes], *, is_value: bool) -> None:
        self.summary = Summary([])
        self._target = target
        self._is_value = is_value

    def take(self, answer: bytes) -> None:
        """Add one answer. Raises ProblemError APP-02 if it is no table."""
        try:
            header, *rows = list(csv.reader(io.StringIO(answer.decode(), newline="")))
        except (csv.Error, UnicodeDecodeError, ValueError) as failure:
            raise UnexpectedApiResponseError(f"Its table cannot be read: {failure}.") from None
        safe = [[harmless(cell) for cell in row] for row in rows]
        if not self.summary.header:
            self.summary.header = header
            safe.insert(0, [harmless(cell) for cell in header])
        self._target.write(written(safe, "\r\n").encode())
        # From the right: a column of the table itself may have such a name, too.
        place = {name: index for index, name in enumerate(header)}
        for row in rows:
            _count(self.summary, row, place.get(PREDICTION_COLUMN), place.get(ERROR_COLUMN), self._is_value)


def harmless(cell: str) -> str:
    """The cell, with an apostrophe in front if a spreadsheet would take it for a formula; numbers stay numbers."""
    if not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _count(summary: Summary, row: list[str], prediction: int | None, error: int | None, is_value: bool) -> None:
    summary.n_rows += 1
    if len(summary.rows) < PREVIEW_ROWS:
        summary.rows.append(row)
    if error is not None and error < len(row) and row[error]:
        summary.n_failed += 1
        if len(summary.errors) < SHOWN_ERRORS:
            summary.errors.append(RowError(summary.n_rows, row[error]))
        return
    if prediction is None or prediction >= len(row) or not row[prediction]:
        return
    if is_value:
        value = float(row[prediction])
        summary.n_numbers += 1
        summary.total += value
        summary.low, summary.high = min(summary.low, value), max(summary.high, value)
    else:
        summary.answers[row[prediction]] += 1


@contextmanager
def _as_text(file: IO[bytes], encoding: str = "utf-8") -> Iterator[io.TextIOWrapper]:
    """A text view of a binary file that leaves the file open."""
    wrapper = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield wrapper
        wrapper.flush()
    finally:
        wrapper.detach()


def written(rows: list[list[str]], line_end: str = "\n") -> str:
    """Rows as CSV text."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerows(rows)
    return out.getvalue()
