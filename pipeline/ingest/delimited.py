"""CSV files and their relatives: whether one is a table, and how its columns are separated."""

import csv
import io
import re
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from pipeline.core.problems import DataError
from pipeline.ingest.headers import Source, checked_names, no_rows

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
        "Download the file itself, signed in.",
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
            raise DataError("DATA-03", f"{path.name} is {what}, not a table.", fix=fix, command=command)
    _check_bytes(path)
    text = _decoded(path, head)
    delimiter, notes = _delimiter(path, text)
    rows = _sample(text, delimiter, 200)
    if not rows or (len(rows) < 2 and len(head) < _HEAD_BYTES):
        raise no_rows(path)
    header = [name.strip() for name in rows[0]]
    if all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name, re.IGNORECASE) for name in header):
        raise DataError(
            "DATA-07",
            f"{path.name} has no header.",
            why=f"Its first line holds numbers only: {', '.join(header[:4])}.",
            fix="Put the names of the columns into the first line.",
        )
    if len(header) == 1:
        raise DataError(
            "DATA-05",
            f"{path.name} has one column only.",
            why=f"Its first line is {header[0][:60]!r}: no comma, semicolon, tab or bar splits it.",
            fix="Separate the columns by commas.",
        )
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
        raise ragged(source, f"{len(bad)} rows do, the first is line {bad[0][0]} with {bad[0][1]} values.")


def ragged(source: Source, detail: str) -> DataError:
    """DATA-06: rows that do not have as many values as the header has names."""
    return DataError(
        "DATA-06",
        f"{source.path.name} has rows that do not have {len(source.columns)} values.",
        why=detail,
        fix="Quote values that contain the delimiter or a line break, and close every quote.",
    )


def _check_bytes(path: Path) -> None:
    """Refuse what would cost a reader far more memory than the file is large, before a reader sees it."""
    with path.open("rb") as file:
        while block := file.read(MAX_LINE_BYTES // 2):
            if b"\0" in block:
                raise DataError(
                    "DATA-03", f"{path.name} is not text.", why="It contains zero bytes.", fix="Save it as CSV."
                )
            # Any line of twice a block's length fills at least one whole block.
            if len(block) == MAX_LINE_BYTES // 2 and b"\n" not in block and b"\r" not in block:
                raise DataError(
                    "DATA-19",
                    f"{path.name} has a line of more than {MAX_LINE_BYTES // 2**21} MB.",
                    why=f"There is no line break in the {len(block)} bytes before byte {file.tell()}.",
                    fix="Take the huge value out of the table.",
                )


def _decoded(path: Path, head: bytes) -> str:
    if len(head) == _HEAD_BYTES:  # only whole lines: the end may cut one, and a character in it, in two
        head = head[: 1 + max(head.rfind(b"\n"), head.rfind(b"\r"))]
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise encoding_error(path, error) from error


def encoding_error(path: Path, error: UnicodeDecodeError) -> DataError:
    """DATA-04: text that is not UTF-8."""
    return DataError(
        "DATA-04",
        f"{path.name} is not written in UTF-8.",
        why=f"Byte {error.start} is {error.object[error.start : error.start + 1]!r}; perhaps it is Latin-1.",
        fix="Convert it to UTF-8.",
        command=f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
    )


def _delimiter(path: Path, text: str) -> tuple[str, list[str]]:
    width = {one: len(next(iter(_rows(text, one)), [])) for one in DELIMITERS}
    best = max(DELIMITERS, key=lambda one: width[one])
    rivals = [one for one in DELIMITERS if width[one] > 1]
    # A rival that splits every line alike is believed before one that splits only the header.
    even = [one for one in rivals if {len(row) for row in _sample(text, one, 50)} == {width[one]}]
    if len(even) > 1 and len({width[one] for one in even}) == 1:
        raise DataError(
            "DATA-05",
            f"The delimiter of {path.name} is not clear.",
            why=f"Its lines can be split by {' and by '.join(map(repr, even))} equally well.",
            fix="Separate the columns by commas and quote values that contain one.",
        )
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
        raise DataError(
            "DATA-23",
            f"The decimal mark of {path.name} is not clear.",
            why=f"Its other numbers do not tell whether the comma in {unclear!r} marks thousands or a fraction.",
            fix="Write numbers without marks for thousands and with a decimal point.",
        )
    return n_comma > n_point
