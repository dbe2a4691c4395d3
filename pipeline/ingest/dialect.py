"""Detects the dialect of a CSV file: its delimiter, its decimal mark, and the rows that follow from them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from pipeline.ingest.text_problems import DecimalMarkError, DelimiterError

DELIMITERS: Final = (",", ";", "\t", "|")
# Numbers that show which mark is the decimal one.
_COMMA_NUMBER: Final = re.compile(r"[-+]?(\d+,(?!\d{3}$)\d+|(0|\d{4,}),\d{3}|\d{1,3}(\.\d{3})+,\d+)")
_POINT_NUMBER: Final = re.compile(
    r"[-+]?(\d+\.(?!\d{3}$)\d+|(0|\d{4,})\.\d{3}|\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,})"
)


@contextmanager
def unlimited_fields() -> Iterator[None]:
    """Let `csv` read fields of any length inside the block; the limit is one of the whole process, so it is put back."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def find_delimiter(path: Path, text: str) -> str:
    """Return the delimiter of a file that starts with `text`. Raises DataError DATA-05 where it is ambiguous."""
    widths = {delimiter: len(next(_filled_rows(text, delimiter), [])) for delimiter in DELIMITERS}
    # A delimiter that splits all lines alike is preferred to one that splits the header into more columns.
    even = [
        delimiter
        for delimiter, width in widths.items()
        if width > 1 and {len(row) for row in sample_rows(text, delimiter, 50)} == {width}
    ]
    if len(even) > 1 and len({widths[delimiter] for delimiter in even}) == 1:
        raise DelimiterError.ambiguous(path, even)
    return max(even or DELIMITERS, key=lambda delimiter: widths[delimiter])


def uses_decimal_comma(path: Path, rows: list[list[str]]) -> bool:
    """Return True if 1,5 is one and a half in these rows, as most of the unambiguous numbers show.

    Three digits behind the only mark are ambiguous. Raises DataError DATA-23 where no number decides it.
    """
    cells = [cell.strip() for row in rows for cell in row]
    with_comma = [cell for cell in cells if "," in cell]
    if not with_comma:
        return False
    n_comma = sum(_COMMA_NUMBER.fullmatch(cell) is not None for cell in with_comma)
    n_point = sum(_POINT_NUMBER.fullmatch(cell) is not None for cell in cells if "." in cell or cell.count(",") > 1)
    ambiguous = next((cell for cell in with_comma if re.fullmatch(r"[-+]?\d+,\d+", cell)), None)
    if n_comma == n_point and ambiguous is not None:
        raise DecimalMarkError(path, ambiguous)
    return n_comma > n_point


def sample_rows(text: str, delimiter: str, n_rows: int) -> list[list[str]]:
    """Return the first rows that are not empty."""
    return list(islice(_filled_rows(text, delimiter), n_rows))


def count_empty_rows(text: str, delimiter: str) -> int:
    """Return how many rows of empty cells stand above the header; lines without any character do not count."""
    return sum(len(row) > 1 for row in takewhile(lambda row: not any(row), _rows(text, delimiter)))


def _filled_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return (row for row in _rows(text, delimiter) if any(row))


def _rows(text: str, delimiter: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
