"""Detects the dialect of a CSV file: its delimiter, its decimal mark, and the rows that follow from them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final, Literal

from pipeline.core.cells import MISSING_TOKENS
from pipeline.ingest.text_problems import DelimiterError

DELIMITERS: Final = (",", ";", "\t", "|")
_HEAD_ROWS: Final = 60  # that show where a table begins
_SNIFFED_CHARS: Final = 20_000
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)  # spreadsheets write it above the header
_NUMBER_CELL: Final = re.compile(r"\s*[-+]?[\d.,]+(e[-+]?\d+)?\s*", re.IGNORECASE)
# Numbers that show which mark is the decimal one.
_COMMA_NUMBER: Final = re.compile(r"[-+]?(\d+,(?!\d{3}$)\d+|(0|\d{4,}),\d{3}|\d{1,3}(\.\d{3})+,\d+)")
_POINT_NUMBER: Final = re.compile(
    r"[-+]?(\d+\.(?!\d{3}$)\d+|(0|\d{4,})\.\d{3}|\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,})"
)

_DOUBTFUL: Final = re.compile(r"[-+]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)


@contextmanager
def unlimited_fields() -> Iterator[None]:
    """Let `csv` read fields of any length inside the block; the limit is one of the whole process, so it is put back."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@dataclass(frozen=True)
class Head:
    """Where a table begins, and how it is split. `header` are the names as they are written; `skip` lines stand above it.

    `has_row_names`: the header is one name shorter than each row, as R writes it. `above` is what was skipped.
    """

    delimiter: str
    header: list[str]
    skip: int
    has_row_names: bool
    above: list[str]


@dataclass(frozen=True)
class _Split:
    """The first rows under one delimiter, each with the number of its last line."""

    delimiter: str
    rows: list[tuple[int, list[str]]]
    width: int  # of most rows
    start: int  # of the header among them
    has_row_names: bool

    @property
    def is_even(self) -> bool:
        """Return whether all rows from the header on are of the same width."""
        widths = {len(row) for _, row in self.rows[self.start + self.has_row_names :]}
        return self.width > 1 and widths == {self.width}


def find_head(path: Path, text: str) -> Head:
    """Return where the table in a file begins that starts with `text`, and its delimiter.

    Raises DataError DATA-05 where the delimiter is ambiguous.
    """
    named = _SEPARATOR_LINE.match(text)
    if named and not named[1].isascii():  # no reader takes it
        named = None
    splits = [_split(text, delimiter) for delimiter in (named[1] if named else DELIMITERS)]
    # What begins with its first line is preferred to what has titles above it.
    even = [split for split in splits if split.is_even and not split.start and not split.has_row_names]
    even = even or [split for split in splits if split.is_even]
    if len(even) > 1 and len({split.width for split in even}) == 1:
        raise DelimiterError.ambiguous(path, [split.delimiter for split in even])
    # A delimiter that splits all lines alike is preferred to one that splits the header into more columns.
    best = max(even or splits, key=lambda split: len(split.rows[split.start][1]) if split.rows else 0)
    if not even and best.width < 2 and (other := _ask(text)) and (split := _split(text, other)).is_even:
        best = split
    if not best.rows:
        return Head(best.delimiter, [], 0, False, [])
    above = [" ".join(filter(None, row)) for _, row in best.rows[: best.start]]
    last_line, header = best.rows[best.start]
    n_lines = 1 + sum(cell.count("\n") for cell in header)
    return Head(best.delimiter, header, max(0, last_line - n_lines), best.has_row_names, above)


def _split(text: str, delimiter: str) -> _Split:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows = [(reader.line_num, row) for row in islice((row for row in reader if any(row)), _HEAD_ROWS)]
    widths = Counter(len(row) for _, row in rows)
    width = max(widths, key=lambda width: (widths[width], width), default=0)
    start = next((i for i, (_, row) in enumerate(rows) if not _is_title(row, rows[i + 1 :], width)), 0)
    has_row_names = _has_row_names([row for _, row in rows[start:]], width)
    if rows and start and len(rows[start][1]) != width and not has_row_names:
        start = 0
    return _Split(delimiter, rows, width, start, has_row_names)


def _is_title(row: list[str], below: list[tuple[int, list[str]]], width: int) -> bool:
    """Return whether a row is a title or a comment above the header."""
    if row[0].lower() == "sep=" and len(row) == 2:
        return True
    if row[0].startswith("#"):
        # Without another line of names below it, it is the header.
        following = next((other for _, other in below if not other[0].startswith("#")), [])
        later = [other for _, other in below if other is not following and len(other) == width]
        if len(row) == width and any(a == b for other in later for a, b in zip(following, other, strict=False) if a):
            return False  # the next line is of data: its cells come again
        return len(following) == width and not any(_NUMBER_CELL.fullmatch(cell) for cell in following)
    # Titles follow one another, with an empty line between them and the header; a spreadsheet fills each up with delimiters.
    following = next((other for _, other in below if sum(map(bool, other)) > 1), below[0][1] if below else [])
    is_alone = bool(row[0]) and not any(row[1:]) and len(row) <= width
    return width > 1 and is_alone and (len(row) == 1 or sum(map(bool, following)) > 1)


def _has_row_names(rows: list[list[str]], width: int) -> bool:
    """Return whether each row has one cell more than the header, and that is not an empty one at its end."""
    if len(rows) < 2 or width < 2 or len(rows[0]) != width - 1:
        return False
    below = rows[1:]
    names = [row[0] for row in below]
    are_names = not any(_NUMBER_CELL.fullmatch(name) for name in names) or names == [
        str(i) for i in range(1, len(names) + 1)
    ]
    is_whole = all(len(row) == width for row in below) and any(row[-1] for row in below)
    return is_whole and are_names and len(set(names)) == len(names)


def _ask(text: str) -> str:
    """Return the delimiter that clevercsv finds in a text that none of the usual ones splits, "" if none."""
    import clevercsv  # noqa: PLC0415 - slow to import, and rarely needed

    try:
        dialect = clevercsv.Sniffer().sniff(text[:_SNIFFED_CHARS], delimiters=None, verbose=False)
    except clevercsv.Error:
        return ""
    found = dialect.delimiter if dialect is not None else ""
    return found if found and found.isascii() and not found.isalnum() and found not in {"-", ".", "_", '"', "'"} else ""


def uses_decimal_comma(rows: list[list[str]]) -> bool:
    """Return True if 1,5 is one and a half in these rows, as most of the unambiguous numbers show."""
    cells = [cell.strip() for row in rows for cell in row]
    with_comma = [cell for cell in cells if "," in cell]
    if not with_comma:
        return False
    n_comma = sum(_COMMA_NUMBER.fullmatch(cell) is not None for cell in with_comma)
    n_point = sum(_POINT_NUMBER.fullmatch(cell) is not None for cell in cells if "." in cell or cell.count(",") > 1)
    return n_comma > n_point


def quoting_of(*, is_quoted: bool) -> Literal[0, 3]:
    """Return what `csv` and pandas call it."""
    return csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE


def text_columns(columns: Sequence[str | None], rows: list[list[str]], decimal: str) -> frozenset[str]:
    """Return the columns with a cell that pandas reads neither as a number nor as missing; these hold words, if not all."""
    found = set()
    for cells, name in zip(zip_longest(*rows, fillvalue=""), columns, strict=False):
        if name is not None and any(not _is_plain(cell.strip(), decimal) for cell in cells):
            found.add(name)
    return frozenset(found)


def doubtful_columns(columns: Sequence[str | None], rows: list[list[str]]) -> frozenset[str]:
    """Return the columns in which each number with a mark has three digits behind it, so that it may group thousands."""
    found = set()
    for cells, name in zip(zip_longest(*rows, fillvalue=""), columns, strict=False):
        marked = [cell.strip() for cell in cells if "," in cell or "." in cell]
        if name is not None and marked and all(_DOUBTFUL.fullmatch(cell) for cell in marked):
            found.add(name)
    return frozenset(found)


def _is_plain(cell: str, decimal: str) -> bool:
    """Return whether pandas reads a cell as a number, a boolean or missing."""
    number = cell.replace(",", ".") if decimal == "," else cell
    try:
        float(number)
    except ValueError:
        return cell in MISSING_TOKENS or cell.lower() in {"true", "false"}
    return number.isascii() and "_" not in number


def sample_rows(text: str, delimiter: str, n_rows: int, skip: int = 0, *, is_quoted: bool = True) -> list[list[str]]:
    """Return the first rows below the first `skip` lines that are not empty."""
    quoting = quoting_of(is_quoted=is_quoted)
    lines = islice(io.StringIO(text, newline=""), skip, None)
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, quoting=quoting)
    return list(islice((row for row in rows if any(row)), n_rows))
