"""Tables in and out: pasted or uploaded text becomes plain CSV, the API's CSV a preview and a safe file. Blocking."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Final

from app.frontend.problems import UnexpectedApiResponseError, UnreadableTableError
from app.frontend.views import RowError
from app.web.formats import short_number
from pipeline.core.params import Task

MAX_PREVIEW_ROWS: Final = 20
MAX_ERRORS: Final = 20
MAX_COUNTS: Final = 12
MAX_NUMBER_CHARS: Final = 8  # a longer number is shortened in the preview
CHUNK_BYTES: Final = 64 * 1024
csv.field_size_limit(2**20)  # one of the whole process: as long a text as the API takes in a table
# The API responds to a table while it reads it, and an HTTP client reads the response when it has sent everything: a
# longer block could leave both waiting for the other. This is the number of rows that the API reads before it responds.
BLOCK_ROWS: Final = 1_000
ERROR_COLUMN: Final = "error"
REMARK_COLUMN: Final = "remark"
PREDICTION_COLUMN: Final = "prediction"
# What a spreadsheet would run as a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class TableSummary:
    """Counts and first rows of a result; `predictions` counts classes, `total low high` are of a regression's numbers."""

    n_input_columns: int
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    n_rows: int = 0
    n_failed: int = 0
    remark: str = ""  # how the table was understood, from the first row
    n_remarks: int = 0  # rows with a remark
    errors: list[RowError] = field(default_factory=list)
    predictions: Counter[str] = field(default_factory=Counter)
    n_numbers: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    @property
    def range_text(self) -> str:
        """Return the smallest, largest and mean prediction of a regression; "" for classes."""
        if not self.n_numbers:
            return ""
        mean = short_number(self.total / self.n_numbers)
        return f"from {short_number(self.low)} to {short_number(self.high)}, mean {mean}"

    def numeric_columns(self) -> tuple[bool, ...]:
        """Return which columns hold only numbers in the first rows; they are aligned to the right."""
        if not self.rows:
            return (False,) * len(self.header)
        columns = zip(*self.rows, strict=False)
        return tuple(all(_is_number(cell) for cell in column if cell) for column in columns)


def read_head(file: IO[bytes]) -> tuple[list[str], str]:
    """Return the header of a CSV file and its delimiter (comma, semicolon, tab or bar). Raises APP-07."""
    file.seek(0)
    raw = file.read(CHUNK_BYTES)
    file.seek(0)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableTableError("This is a spreadsheet workbook, not CSV.", "Save it as CSV and send that.")
    if raw.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise UnreadableTableError("This file is compressed.", "Unpack it and send the CSV file in it.")
    if raw.startswith(b"PAR1"):
        raise UnreadableTableError("This is a Parquet file, not CSV.", "Save it as CSV and send that.")
    if raw.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml", b'{"', b"[{")):
        raise UnreadableTableError(
            "This looks like a web page or JSON, not a table.", "Send a CSV file with a header row."
        )
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
    except UnicodeDecodeError:
        raise UnreadableTableError("Its text is not UTF-8.", "Save it as “CSV UTF-8” and send that.") from None
    if "\0" in text:
        raise UnreadableTableError("It contains NUL bytes, so it is not text.", "Save it as “CSV UTF-8” and send that.")
    starts = {each: [*islice(_rows(io.StringIO(text, newline=""), each), 2)] for each in (",", "\t", ";", "|")}
    delimiter = max(starts, key=lambda each: len(starts[each][0]) if starts[each] else 0)
    start = starts[delimiter]
    if not start or not any(cell.strip() for cell in start[0]):
        raise UnreadableTableError("It is empty.", "Paste a table with a header row, or choose a file.")
    if len(start) < 2:
        raise UnreadableTableError("It has a header but no rows.", "Add at least one row below the header.")
    return start[0], delimiter


def read_blocks(source: IO[bytes], delimiter: str) -> Iterator[bytes]:
    """Yield the table in blocks of plain CSV, each with the header row. Raises APP-07."""
    source.seek(0)
    try:
        with _as_text(source, "utf-8-sig") as text:
            rows = _rows(text, delimiter)
            header = next(rows)
            while block := list(islice(rows, BLOCK_ROWS)):
                yield format_rows([header, *block]).encode()
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableTableError(f"{error}.", "Save it as “CSV UTF-8” and send that.") from None


class ResultCollector:
    """Writes the API's blocks one after the other to `target`, with formulas made harmless, and counts their rows."""

    def __init__(self, target: IO[bytes], *, n_input_columns: int, task: Task) -> None:
        self.summary = TableSummary(n_input_columns)
        self._target = target
        self._is_regression = task == "regression"

    def add(self, block: bytes) -> None:
        """Add one block. Raises APP-02 if it is not a table."""
        try:
            header, *rows = list(csv.reader(io.StringIO(block.decode(), newline="")))
        except (csv.Error, UnicodeDecodeError, ValueError) as error:
            raise UnexpectedApiResponseError(f"Its table cannot be read: {error}.") from None
        safe = [[escape_formula(cell) for cell in row] for row in rows]
        if not self.summary.header:
            self.summary.header = header
            safe.insert(0, [escape_formula(cell) for cell in header])
        self._target.write(format_rows(safe, "\r\n").encode())
        # The last column of a name: a column of the table itself may have such a name, too.
        position = {name: index for index, name in enumerate(header)}
        for row in rows:
            self._count(row, position.get(PREDICTION_COLUMN), position.get(ERROR_COLUMN))
            self._take_remark(row, position.get(REMARK_COLUMN))

    def _take_remark(self, row: list[str], place: int | None) -> None:
        remark = row[place] if place is not None and place < len(row) else ""
        if remark:
            self.summary.n_remarks += 1
            if self.summary.n_rows == 1:
                self.summary.remark = remark

    def _count(self, row: list[str], prediction: int | None, error: int | None) -> None:
        summary = self.summary
        summary.n_rows += 1
        if len(summary.rows) < MAX_PREVIEW_ROWS:
            summary.rows.append(row)
        if error is not None and error < len(row) and row[error]:
            summary.n_failed += 1
            if len(summary.errors) < MAX_ERRORS:
                summary.errors.append(RowError(summary.n_rows, row[error]))
            return
        if prediction is None or prediction >= len(row) or not row[prediction]:
            return
        if self._is_regression:
            value = float(row[prediction])
            summary.n_numbers += 1
            summary.total += value
            summary.low, summary.high = min(summary.low, value), max(summary.high, value)
        else:
            summary.predictions[row[prediction]] += 1


def escape_formula(cell: str) -> str:
    """Return the cell with an apostrophe in front if a spreadsheet would run it as a formula; numbers stay numbers."""
    if not cell.startswith(FORMULA):
        return cell
    return cell if _is_number(cell) else f"'{cell}"


def shorten_number(cell: str) -> str:
    """Return a cell of the API as the preview shows it: a long decimal number with four significant digits."""
    if len(cell) <= MAX_NUMBER_CHARS or "." not in cell or not _is_number(cell):
        return cell
    return f"{float(cell):.4g}"


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Return the rows of a table that are not blank lines."""
    return (row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextmanager
def _as_text(file: IO[bytes], encoding: str = "utf-8") -> Iterator[io.TextIOWrapper]:
    """Yield a text view of a binary file; the file stays open."""
    wrapper = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield wrapper
        wrapper.flush()
    finally:
        wrapper.detach()


def format_rows(rows: list[list[str]], line_end: str = "\n") -> str:
    """Return rows as CSV text."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerows(rows)
    return out.getvalue()
