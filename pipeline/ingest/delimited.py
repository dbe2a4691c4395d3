"""CSV files and their relatives: checks that one is a table, and finds out how to read it."""

import csv
import re
from pathlib import Path
from typing import Final

from pipeline.core.sentences import plural
from pipeline.ingest.dialect import count_empty_rows, find_delimiter, sample_rows, unlimited_fields, uses_decimal_comma
from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.problems import EmptyTableError, HeaderError
from pipeline.ingest.text_problems import (
    DelimiterError,
    EncodingError,
    LongLineError,
    NotATableError,
    RowLengthError,
)

MAX_LINE_BYTES: Final = 2**21  # a line of this length is always refused; one of half of it never
_HEADER_ROWS: Final = 200
_DECIMAL_ROWS: Final = 5000  # that are searched for decimal commas
_HEAD_BYTES: Final = 2**20  # a header longer than this is not a header
_BLOCK_BYTES: Final = 2**22

# First bytes of files in other formats: what they are, what to do, and a command for it.
_OTHER_FORMATS: Final = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer", "Fetch the actual file.", "git lfs pull"),
    (
        re.compile(rb"\s*<(!doctype|html|\?xml|head|body)", re.IGNORECASE),
        "a web page",
        "Download the actual file; you may need to sign in first.",
        "",
    ),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), "a compressed file", "Unpack it first.", ""),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV.", ""),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old Excel workbook", "Save the sheet as CSV.", ""),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "text in UTF-16", "Save it as UTF-8.", "iconv -f utf-16 -t utf-8 IN > OUT"),
    (re.compile(rb"PAR1"), "a Parquet file", "Give it the suffix .parquet.", ""),
)


@unlimited_fields()
def inspect(path: Path) -> Source:
    """Return how to read the file. Raises DataError DATA-02 to -05, -07, -18, -19 or -23 if it is not a table."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for pattern, description, fix, command in _OTHER_FORMATS:
        if pattern.match(head):
            raise NotATableError.of_other_format(path, description, fix, command)
    n_lines = _count_lines(path)
    text = _decode(path, head)
    delimiter = find_delimiter(path, text)
    rows = sample_rows(text, delimiter, _HEADER_ROWS)
    if not rows or (len(rows) < 2 and len(head) < _HEAD_BYTES):
        raise EmptyTableError.without_rows(path)
    header = [name.strip() for name in rows[0]]
    _check_header(path, header)
    names = [name or (None if i == 0 else f"column {i + 1}") for i, name in enumerate(header)]
    is_comma = delimiter != "," and uses_decimal_comma(path, sample_rows(text, delimiter, _DECIMAL_ROWS)[1:])
    n_unnamed = sum(not name for name in header[1:])
    notes = [f"columns are separated by {delimiter!r}, not by commas"] * (delimiter != ",")
    notes += ["numbers are written with a decimal comma"] * is_comma
    notes += [f"unnamed columns, called by their position: {n_unnamed}"] * (n_unnamed > 0)
    skip = count_empty_rows(text, delimiter)
    columns = checked_names(path, names)
    # A short row is filled up: a line of one byte may become as many values as there are columns.
    n_cells = n_lines * len(columns)
    return Source(path, "csv", columns, delimiter, "," if is_comma else ".", tuple(notes), skip, n_cells)


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
    if n_quotes == 0 and n_delimiters == (n_rows + 1) * (len(source.columns) - 1):
        return
    with source.path.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=source.delimiter)
        uneven = [(rows.line_num, len(row)) for row in rows if any(row) and len(row) != len(source.columns)]
    if uneven:
        line, n_values = uneven[0]
        detail = f"{plural(len(uneven), 'row')}; the first is line {line} with {plural(n_values, 'value')}."
        raise RowLengthError(source.path, len(source.columns), detail)


def _count_lines(path: Path) -> int:
    """Return the number of lines below the first; refuse what would cost a reader far more memory than the file is large."""
    n_lines, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(MAX_LINE_BYTES // 2):
            if b"\0" in block:
                raise NotATableError.binary(path)
            # Any line of twice a block's length fills at least one whole block.
            if len(block) == MAX_LINE_BYTES // 2 and b"\n" not in block and b"\r" not in block:
                raise LongLineError(path, len(block), file.tell())
            n_returns = block.count(b"\r")
            n_lines += block.count(b"\n") + n_returns - (block.count(b"\r\n") if n_returns else 0)
            last = block[-1:]
    return n_lines - (last in {b"\n", b"\r"})


def _check_header(path: Path, header: list[str]) -> None:
    if all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name, re.IGNORECASE) for name in header):
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
