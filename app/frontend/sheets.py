"""CSV in and out: what a person pastes becomes plain CSV, what comes back becomes a preview and a safe file. Blocking."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Final

from app.frontend.labels import figure
from app.frontend.views import RowError
from pipeline.errors import ProblemError

PREVIEW_ROWS: Final = 20
SHOWN_ERRORS: Final = 20
SHOWN_COUNTS: Final = 12
CHUNK_BYTES: Final = 64 * 1024
ERROR_COLUMN: Final = "error"
PREDICTION_COLUMN: Final = "prediction"
# What a spreadsheet would run as a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Summary:
    """What is known of a result when its last row has been read."""

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
        mean = figure(self.total / self.n_numbers)
        return f"from {figure(self.low)} to {figure(self.high)}, {mean} on average"


def read_head(file: IO[bytes]) -> tuple[list[str], str]:
    """The header of a CSV file and its delimiter (comma, semicolon or tab). Raises ProblemError APP-07."""
    file.seek(0)
    raw = file.read(CHUNK_BYTES)
    file.seek(0)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise _unreadable(
            "This is a workbook of a spreadsheet program, not CSV.", "Save it there as CSV and send that."
        )
    if raw.startswith(b"PAR1"):
        raise _unreadable("This is a Parquet file, not CSV.", "Save it as CSV and send that.")
    if raw.lstrip()[:1] in {b"<", b"{"}:
        raise _unreadable(
            "This looks like a web page or JSON, not like a table.", "Send a CSV file with a header line."
        )
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
    except UnicodeDecodeError:
        raise _unreadable("Its text is not UTF-8.", "Save it as “CSV UTF-8” and send that.") from None
    if "\0" in text:
        raise _unreadable("It holds bytes that no text has.", "Save it as “CSV UTF-8” and send that.")
    lines = text.lstrip("\r\n").splitlines()
    if not lines or not lines[0].strip():
        raise _unreadable("There is nothing in it.", "Paste a table with a header line, or choose a file.")
    counts = {delimiter: lines[0].count(delimiter) for delimiter in (",", "\t", ";")}
    delimiter = max(counts, key=lambda key: counts[key]) if any(counts.values()) else ","
    if len(lines) < 2:
        raise _unreadable("It has a header line and no rows.", "Add at least one row below the header.")
    return next(csv.reader([lines[0]], delimiter=delimiter)), delimiter


def as_plain_csv(source: IO[bytes], delimiter: str, target: IO[bytes]) -> None:
    """Copy `source` to `target` as UTF-8 with commas. Raises ProblemError APP-07."""
    try:
        with _as_text(source, "utf-8-sig") as rows, _as_text(target) as out:
            csv.writer(out, lineterminator="\n").writerows(csv.reader(rows, delimiter=delimiter))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unreadable(f"{error}.", "Save it as “CSV UTF-8” and send that.") from None


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The whole file, piece by piece."""
    file.seek(0)
    while piece := file.read(CHUNK_BYTES):
        yield piece


def finish(answer: IO[bytes], target: IO[bytes], *, is_value: bool) -> Summary:
    """Copy the API's table to `target` with formulas made harmless, and say what is in it. Raises ProblemError APP-02."""
    answer.seek(0)
    try:
        with _as_text(answer) as rows, _as_text(target) as out:
            reader, writer = csv.reader(rows), csv.writer(out, lineterminator="\r\n")
            summary = Summary(next(reader, []))
            writer.writerow([harmless(cell) for cell in summary.header])
            place = {name: index for index, name in enumerate(summary.header)}
            prediction, error = place.get(PREDICTION_COLUMN), place.get(ERROR_COLUMN)
            for row in reader:
                _count(summary, row, prediction, error, is_value)
                writer.writerow([harmless(cell) for cell in row])
    except (csv.Error, UnicodeDecodeError) as failure:
        raise ProblemError(
            "APP-02",
            "The prediction API gave an answer that this app does not understand.",
            why=f"Its table cannot be read: {failure}.",
            fix="Try a smaller table; if it stays, restart both on the services page of the panel.",
            status=502,
        ) from None
    return summary


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


def _unreadable(why: str, fix: str) -> ProblemError:
    return ProblemError("APP-07", "The table cannot be read.", why=why, fix=fix, status=422)


def written(rows: list[list[str]]) -> str:
    """Rows as CSV text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
