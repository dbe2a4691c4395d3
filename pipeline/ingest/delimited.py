"""CSV files and their relatives: whether one is a table, and how its columns are separated."""

import csv
import io
import re
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.problems import (
    DecimalMarkError,
    DelimiterError,
    EmptyTableError,
    EncodingError,
    HeaderError,
    LongLineError,
    NotATableError,
    RowLengthError,
)

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_LINE_BYTES: Final = 2**21  # a line that is certainly refused; half of it certainly passes
_DECIMAL_ROWS: Final = 5000  # that are looked at for decimal commas
# Numbers that tell which mark is the decimal one.
_COMMA_NUMBER: Final = re.compile(r"[-+]?(\d+,(?!\d{3}$)\d+|(0|\d{4,}),\d{3}|\d{1,3}(\.\d{3})+,\d+)")
_POINT_NUMBER: Final = re.compile(
    r"[-+]?(\d+\.(?!\d{3}$)\d+|(0|\d{4,})\.\d{3}|\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,})"
)
_HEAD_BYTES: Final = 2**20  # a header longer than this is not a header
_BLOCK_BYTES: Final = 2**22

# What a file starts with when it is something else, and what to do about it.
_IMPOSTORS: Final = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer", "Fetch the real file.", "git lfs pull"),
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
    (re.compile(rb"PAR1"), "a Parquet file", "Give it the ending .parquet.", ""),
)


def inspect(path: Path) -> Source:
    """How to read the file. Raises DataError DATA-02 to DATA-05, DATA-07, DATA-18 or DATA-23 if it is no table."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for pattern, what, fix, command in _IMPOSTORS:
        if pattern.match(head):
            raise NotATableError.of_other_format(path, what, fix, command)
    _check_bytes(path)
    text = _decoded(path, head)
    delimiter, notes = _delimiter(path, text)
    rows = _sample(text, delimiter, 200)
    if not rows or (len(rows) < 2 and len(head) < _HEAD_BYTES):
        raise EmptyTableError.without_rows(path)
    header = [name.strip() for name in rows[0]]
    if all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name, re.IGNORECASE) for name in header):
        raise HeaderError.missing(path, header)
    if len(header) == 1:
        raise DelimiterError.one_column(path, header[0])
    names = [name or (None if i == 0 else f"column {i + 1}") for i, name in enumerate(header)]
    comma = delimiter != "," and _decimal_comma(path, _sample(text, delimiter, _DECIMAL_ROWS)[1:])
    notes += ["numbers are written with a decimal comma"] * comma
    notes += [f"columns without a name: {sum(not name for name in header[1:])}"] * any(not name for name in header[1:])
    skip = sum(len(row) > 1 for row in takewhile(lambda row: not any(row), _all_rows(text, delimiter)))
    return Source(path, "csv", checked_names(path, names), delimiter, "," if comma else ".", tuple(notes), skip)


def check_rows(source: Source, n_rows: int, last_missing: bool) -> None:
    """Raise DataError DATA-06 if a CSV has short rows, which a reader fills up silently.

    `n_rows` were read; a short row always lacks its last value, so nothing is done unless `last_missing`.
    """
    if not last_missing:
        return
    delimiters = quotes = 0
    with source.path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            delimiters += block.count(source.delimiter.encode())
            quotes += block.count(b'"')
    if quotes == 0 and delimiters == (n_rows + 1) * (len(source.columns) - 1):
        return
    with source.path.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=source.delimiter)
        bad = [(rows.line_num, len(row)) for row in rows if any(row) and len(row) != len(source.columns)]
    if bad:
        (line, n_values), n_bad = bad[0], len(bad)
        detail = f"{n_bad:,} {'rows' if n_bad > 1 else 'row'}; the first is line {line} with {n_values} values."
        raise RowLengthError(source.path, len(source.columns), detail)


def _check_bytes(path: Path) -> None:
    """Refuse what would cost a reader far more memory than the file is large, before a reader sees it."""
    with path.open("rb") as file:
        while block := file.read(MAX_LINE_BYTES // 2):
            if b"\0" in block:
                raise NotATableError.binary(path)
            # Any line of twice a block's length fills at least one whole block.
            if len(block) == MAX_LINE_BYTES // 2 and b"\n" not in block and b"\r" not in block:
                raise LongLineError(path, len(block), file.tell())


def _decoded(path: Path, head: bytes) -> str:
    if len(head) == _HEAD_BYTES:  # only whole lines: the end may cut one, and a character in it, in two
        head = head[: 1 + max(head.rfind(b"\n"), head.rfind(b"\r"))]
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EncodingError(path, error) from error


def _delimiter(path: Path, text: str) -> tuple[str, list[str]]:
    width = {one: len(next(iter(_rows(text, one)), [])) for one in DELIMITERS}
    best = max(DELIMITERS, key=lambda one: width[one])
    rivals = [one for one in DELIMITERS if width[one] > 1]
    # A rival that splits every line alike is believed before one that splits only the header.
    even = [one for one in rivals if {len(row) for row in _sample(text, one, 50)} == {width[one]}]
    if len(even) > 1 and len({width[one] for one in even}) == 1:
        raise DelimiterError.ambiguous(path, even)
    chosen = max(even, key=lambda one: width[one]) if even else best
    return chosen, [f"columns are separated by {chosen!r}, not by commas"] * (chosen != "," and width[chosen] > 1)


def _sample(text: str, delimiter: str, n_rows: int) -> list[list[str]]:
    return list(islice(_rows(text, delimiter), n_rows))


def _rows(text: str, delimiter: str) -> Iterable[list[str]]:
    return (row for row in _all_rows(text, delimiter) if any(row))


def _all_rows(text: str, delimiter: str) -> Iterable[list[str]]:
    csv.field_size_limit(2**31 - 1)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _decimal_comma(path: Path, rows: list[list[str]]) -> bool:
    """Whether 1,5 is one and a half in these rows: most numbers that tell say so. Three digits behind the only mark do
    not tell. Raises DataError DATA-23 where it cannot be known.
    """
    cells = [cell.strip() for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell]
    if not commas:
        return False
    n_comma = sum(_COMMA_NUMBER.fullmatch(cell) is not None for cell in commas)
    n_point = sum(_POINT_NUMBER.fullmatch(cell) is not None for cell in cells if "." in cell or cell.count(",") > 1)
    unclear = next((cell for cell in commas if re.fullmatch(r"[-+]?\d+,\d+", cell)), None)
    if n_comma == n_point and unclear is not None:
        raise DecimalMarkError(path, unclear)
    return n_comma > n_point
