"""CSV files and their relatives: checks that one is a table, and finds out how to read it."""

import csv
import re
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from pipeline.core.sentences import listed, plural
from pipeline.ingest import quotes
from pipeline.ingest.dialect import (
    Head,
    doubtful_columns,
    find_head,
    quoting_of,
    sample_rows,
    text_columns,
    unlimited_fields,
    uses_decimal_comma,
)
from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.notes import NOTE
from pipeline.ingest.problems import EmptyTableError, HeaderError
from pipeline.ingest.text_problems import (
    DelimiterError,
    EncodingError,
    LongLineError,
    NotATableError,
    RowLengthError,
    StrayQuoteError,
)

MAX_LINE_BYTES: Final = 2**21  # a line of this length is always refused; one of half of it never
MAX_NOTES: Final = 10  # lines below a table
_SAMPLED_ROWS: Final = 5000  # that show which mark numbers have
_WORD_ROWS: Final = 200  # that show whether a column holds words
_HEAD_BYTES: Final = 2**20  # a header longer than this is not a header
_BLOCK_BYTES: Final = 2**22
_CACHED_BYTES: Final = 2**16
_NUMBER: Final = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)
_ZERO: Final = np.uint8(ord("0"))
_N_DIGITS: Final = np.uint8(10)
_SEPARATORS: Final = tuple(np.uint8(byte) for byte in b',;\t|\n"')

# First bytes of files in other formats: what they are, what to do, and a command for it.
_OTHER_FORMATS: Final = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer", "Fetch the actual file.", "git lfs pull"),
    (
        re.compile(rb"\s*<(!doctype|html|\?xml|head|body|table|meta|style)\b", re.IGNORECASE),
        "a web page",
        "Download the actual file; you may need to sign in first.",
        "",
    ),
    (re.compile(rb"%PDF"), "a PDF document", "Save the table in it as CSV.", ""),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "a picture", "Upload the table that it shows.", ""),
)


@unlimited_fields()
def inspect(path: Path) -> Source:
    """Return how to read the file. Raises DataError DATA-02 to -07, -18, -19 or -28 if it is not a table."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    for pattern, description, fix, command in _OTHER_FORMATS:
        if pattern.match(start):
            raise NotATableError.of_other_format(path, description, fix, command)
    characters = _count_lines(path)
    text = _decode(path, start)
    head = find_head(path, text)
    delimiter = head.delimiter
    header = [name.strip() for name in head.header]
    if not any(header) or not (_has_rows(text, head) or len(start) == _HEAD_BYTES):
        raise EmptyTableError.without_rows(path)
    _check_header(path, header)
    first = [None] * head.has_row_names
    names = [name or (None if i == 0 and not first else f"column {i + 1}") for i, name in enumerate(header)]
    columns = checked_names(path, [*first, *names])
    is_quoted, quote_notes = _check_quotes(path, head, len(columns)) if characters.has_quotes else (True, [])
    n_sampled = _WORD_ROWS if delimiter == "," else _SAMPLED_ROWS
    sample = sample_rows(text, delimiter, n_sampled, head.skip, is_quoted=is_quoted)[1:]
    if columns[0] is None and not head.has_row_names and not _number_rows([row[0] for row in sample]):
        columns = (next(name for name in ("column 1", "column 0", "\0") if name not in columns), *columns[1:])
    is_comma = delimiter != "," and uses_decimal_comma(sample)
    decimal = "," if is_comma else "."
    return Source(
        path,
        "csv",
        columns,
        delimiter,
        decimal,
        (*_notes(head, header, is_comma), *quote_notes),
        head.skip,
        # A short row is filled up: a line of one byte may become as many values as there are columns.
        n_cells=characters.n_lines * len(columns),
        is_quoted=is_quoted,
        text_columns=text_columns(columns, sample[:_WORD_ROWS], decimal),
        doubtful_columns=frozenset() if delimiter == "," else doubtful_columns(columns, sample),
        has_leading_zeros=characters.has_leading_zeros,
    )


def _number_rows(cells: list[str]) -> bool:
    """Return whether the cells of a column without a name are whole numbers of which none comes twice."""
    return all(cell.strip().isdecimal() for cell in cells) and len(set(cells)) == len(cells)


def _has_rows(text: str, head: Head) -> bool:
    return len(sample_rows(text, head.delimiter, 2, head.skip)) > 1


def _notes(head: Head, header: list[str], is_comma: bool) -> list[str]:
    """Return what the log should say of how the file is read."""
    n_unnamed = sum(not name for name in header[1:])
    notes = [f"the header is in line {head.skip + 1}; left out above it: {_shown(head.above)}"] * bool(head.above)
    notes += [f"columns are separated by {head.delimiter!r}, not by commas"] * (head.delimiter != ",")
    notes += ["numbers are written with a decimal comma"] * is_comma
    notes += [f"unnamed columns, called by their position: {n_unnamed}"] * (n_unnamed > 0)
    numbers = [name for name in header if _NUMBER.fullmatch(name)]
    if 2 * len(numbers) >= len(header):
        notes.append(
            f"the header has numbers ({_shown(numbers)}): if it is a row, add a line with the names of the columns"
        )
    return notes


def _shown(lines: list[str]) -> str:
    return listed([repr(line[:60]) for line in lines], 3)


def _check_quotes(path: Path, head: Head, n_columns: int) -> tuple[bool, list[str]]:
    """Return whether quotes mean something in the file, and a note if they do not.

    Raises StrayQuoteError where a quote swallows rows, and lines are no rows without it either.
    """
    if not quotes.has_open_lines(path) or quotes.is_well_quoted(path, head.delimiter, n_columns, head.skip):
        return True, []
    line, n_breaks = quotes.first_swallowing_line(path, head.delimiter, n_columns)
    if not line:
        return True, []
    if quotes.is_even_without_quotes(path, head.delimiter, n_columns, head.skip):
        return False, [f"a quote in line {line} is never closed: quotes are read as plain characters"]
    raise StrayQuoteError(path, line, n_breaks)


@unlimited_fields()
def check_rows(source: Source, n_rows: int, is_last_missing: bool) -> None:
    """Raise DataError DATA-06 if a CSV has short rows, which a reader fills up silently.

    `n_rows` were read; a short row always lacks its last value, so nothing is done unless `is_last_missing`.
    """
    if not is_last_missing:
        return
    n_delimiters = n_quotes = 0
    with source.path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            n_delimiters += block.count(source.delimiter.encode())
            n_quotes += block.count(b'"')
    if n_quotes == 0 and not source.skip and n_delimiters == (n_rows + 1) * (len(source.columns) - 1):
        return
    uneven, n_filled = _uneven_rows(source)
    # Notes below the table are words in one cell, what they are is seen with the rows; a number is a row that breaks off.
    are_last = [row.place for row in uneven] == [*range(n_filled - len(uneven), n_filled)]
    if are_last and len(uneven) <= MAX_NOTES and all(row.is_words for row in uneven):
        return
    if uneven:
        detail = f"{plural(len(uneven), 'row')}; the first is line {uneven[0].line} with {plural(uneven[0].n_cells, 'value')}."
        raise RowLengthError(source.path, len(source.columns), detail)


class _Uneven(NamedTuple):
    """A row that is not as wide as the header: its place among the rows, its line, and whether it is one cell of words."""

    place: int
    line: int
    n_cells: int
    is_words: bool


def _uneven_rows(source: Source) -> tuple[list[_Uneven], int]:
    """Return the rows of another width, and the number of rows that are not empty."""
    uneven: list[_Uneven] = []
    n_filled = 0
    with source.path.open(encoding="utf-8-sig", newline="") as text:
        lines = islice(text, source.skip + 1, None)
        rows = csv.reader(lines, delimiter=source.delimiter, quoting=quoting_of(is_quoted=source.is_quoted))
        for row in rows:
            if any(row):
                if len(row) != len(source.columns):
                    is_words = (len(row) == 1 and any(map(str.isalpha, row[0]))) or bool(NOTE.fullmatch(row[0]))
                    uneven.append(_Uneven(n_filled, rows.line_num + source.skip + 1, len(row), is_words))
                n_filled += 1
    return uneven, n_filled


def _count_lines(path: Path) -> "_Characters":
    """Return what one pass over the characters of a file shows.

    Refuses what would cost a reader far more memory than the file is large.
    """
    n_lines, last = 0, b""
    has_zeros = has_quotes = False
    with path.open("rb") as file:
        while block := file.read(MAX_LINE_BYTES // 2):
            if b"\0" in block:
                raise NotATableError.binary(path)
            # Any line of twice a block's length fills at least one whole block.
            if len(block) == MAX_LINE_BYTES // 2 and b"\n" not in block and b"\r" not in block:
                raise LongLineError(path, len(block), file.tell())
            n_returns = block.count(b"\r")
            n_lines += block.count(b"\n") + n_returns - (block.count(b"\r\n") if n_returns else 0)
            has_zeros = has_zeros or _has_leading_zero(last + block)
            has_quotes = has_quotes or b'"' in block
            last = block[-2:]
    return _Characters(n_lines - (last[-1:] in {b"\n", b"\r"}), has_zeros, has_quotes)


class _Characters(NamedTuple):
    """The number of lines below the first, whether a cell seems to be a number that begins with a 0, whether there are quotes."""

    n_lines: int
    has_leading_zeros: bool
    has_quotes: bool


def _has_leading_zero(block: bytes) -> bool:
    """Return whether a cell begins with a 0 before another digit; any usual delimiter counts."""
    characters = np.frombuffer(block, dtype=np.uint8)
    # In pieces that fit the processor's cache: each step below goes over all characters.
    for start in range(0, len(characters), _CACHED_BYTES):
        piece = characters[start : start + _CACHED_BYTES + 2]
        found = piece[1:-1] == _ZERO
        found &= piece[2:] - _ZERO < _N_DIGITS  # what is below 0 wraps around
        before = piece[:-2]
        is_start = before == _SEPARATORS[0]
        for separator in _SEPARATORS[1:]:
            is_start |= before == separator
        found &= is_start
        if found.any():
            return True
    return False


def _check_header(path: Path, header: list[str]) -> None:
    if all(_NUMBER.fullmatch(name) for name in header):
        raise HeaderError.missing(path, header)
    if len(header) == 1:
        raise DelimiterError.one_column(path, header[0])


def _decode(path: Path, head: bytes) -> str:
    if len(head) == _HEAD_BYTES:  # only whole lines: the end may cut one, and a character in it, in two
        head = head[: 1 + max(head.rfind(b"\n"), head.rfind(b"\r"))]
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EncodingError(path, error) from error
