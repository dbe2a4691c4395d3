"""The raw files: which they are, and whether each is a table at all. Looks at the start of a file, not into its rows."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.sample import TABLE_SUFFIXES

PARQUET_SUFFIXES: Final = (".parquet", ".pq")
DELIMITERS: Final = (",", ";", "\t", "|")
MAX_COLUMNS: Final = 2000
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


@dataclass(frozen=True)
class Source:
    """One raw file. `columns` are its names in file order, None for an unnamed first column (a row index).

    `delimiter` and `decimal` are "" for Parquet. `notes` are remarks for the log.
    """

    path: Path
    format: Literal["csv", "parquet"]
    columns: tuple[str | None, ...]
    delimiter: str = ""
    decimal: str = ""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The named columns, in file order."""
        return [name for name in self.columns if name is not None]


def find(raw_dir: Path) -> list[Path]:
    """The tables directly in the folder, by name. Raises DataError DATA-01 if there is none."""
    found = sorted(path for path in raw_dir.glob("*") if _is_table(path)) if raw_dir.is_dir() else []
    if not found:
        raise DataError(
            "DATA-01",
            f"There is no table in {raw_dir}.",
            why=f"No file there ends in {', '.join(TABLE_SUFFIXES)}.",
            fix="Put a CSV or Parquet file there, or write the built-in credit table.",
            command=f"python -m pipeline.sample {raw_dir}",
        )
    return found


def digest(paths: Iterable[Path]) -> tuple[str, int]:
    """sha256 over the contents of the files in the order given, and their size in bytes. The names do not count.

    Raises DataError DATA-09 for a file that may not be read.
    """
    whole, n_bytes = hashlib.sha256(), 0
    for path in paths:
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
                n_bytes += file.tell()
        except OSError as error:
            raise DataError(
                "DATA-09",
                f"{path.name} cannot be read.",
                why=f"{error.strerror}.",
                fix="Make it readable for the user that runs the pipeline.",
                retryable=True,
            ) from error
    return whole.hexdigest(), n_bytes


def inspect(path: Path) -> Source:
    """How to read a file. Raises DataError DATA-02 to DATA-07 or DATA-09 if it is no table."""
    if path.stat().st_size == 0:
        raise DataError("DATA-02", f"{path.name} is empty.", why="It has 0 bytes.", fix="Put the whole file there.")
    return _parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else _csv(path)


def inspect_all(paths: list[Path]) -> list[Source]:
    """All files, which must have the same columns. Raises as `inspect`, and DataError DATA-08 where they differ."""
    sources = [inspect(path) for path in paths]
    first = sources[0]
    for other in sources[1:]:
        lacking, extra = set(first.names) - set(other.names), set(other.names) - set(first.names)
        if lacking or extra:
            parts = [f"lacks {_quoted(lacking)}"] * bool(lacking) + [f"has also {_quoted(extra)}"] * bool(extra)
            raise DataError(
                "DATA-08",
                f"{first.path.name} and {other.path.name} do not have the same columns.",
                why=f"{other.path.name} {' and '.join(parts)}.",
                fix="Keep only files of one table in the folder.",
            )
    return sources


def check_rows(source: Source, n_rows: int, last_missing: bool) -> None:
    """Raise DataError DATA-06 if a CSV has short rows, which a reader fills up silently.

    `n_rows` were read; a short row always lacks its last value, so nothing is done unless `last_missing`.
    """
    if source.format != "csv" or not last_missing:
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


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            "DATA-09", f"{path.name} cannot be read as Parquet.", why=f"{error}".splitlines()[0], fix="Write it anew."
        ) from error
    if n_rows == 0:
        raise _no_rows(path)
    names = [None if name.startswith("__index_level_") else name.strip() for name in schema.names]
    return Source(path, "parquet", _checked(path, names))


def _csv(path: Path) -> Source:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for pattern, what, fix, command in _IMPOSTORS:
        if pattern.match(head):
            raise DataError("DATA-03", f"{path.name} is {what}, not a table.", fix=fix, command=command)
    if b"\0" in head:
        raise DataError("DATA-03", f"{path.name} is not text.", why="It contains zero bytes.", fix="Save it as CSV.")
    text = _decoded(path, head)
    delimiter, notes = _delimiter(path, text)
    rows = _sample(text, delimiter, 200)
    if len(rows) < 2 and len(head) < _HEAD_BYTES:
        raise _no_rows(path)
    if not rows:
        raise DataError(
            "DATA-03", f"{path.name} is not a table.", why="Its first line is longer than 1 MB.", fix="Save it as CSV."
        )
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
    cells = [cell for row in rows[1:] for cell in row]
    comma = delimiter != "," and _some(r"-?\d+,\d+", cells) and not _some(r"-?\d+\.\d+", cells)
    notes += ["numbers are written with a decimal comma"] * comma
    notes += [f"columns without a name: {sum(not name for name in header[1:])}"] * any(not name for name in header[1:])
    return Source(path, "csv", _checked(path, names), delimiter, "," if comma else ".", tuple(notes))


def _decoded(path: Path, head: bytes) -> str:
    try:
        # A character may be cut in two where the head ends: up to three bytes of it are left out.
        return (
            io.TextIOWrapper(io.BytesIO(head), encoding="utf-8-sig").read()
            if len(head) < _HEAD_BYTES
            else (head.rpartition(b"\n")[0].decode("utf-8-sig"))
        )
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
    csv.field_size_limit(2**31 - 1)
    return (
        row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True) if any(row)
    )


def _some(pattern: str, cells: list[str]) -> bool:
    return any(re.fullmatch(pattern, cell.strip()) for cell in cells)


def _checked(path: Path, names: list[str | None]) -> tuple[str | None, ...]:
    given = [name for name in names if name is not None]
    twice = sorted({name for name in given if given.count(name) > 1}) if len(set(given)) < len(given) else []
    if twice:
        raise DataError(
            "DATA-07",
            f"{path.name} has columns with the same name.",
            why=f"More than once: {_quoted(twice)}.",
            fix="Give each column a name of its own.",
        )
    reserved = [name for name in given if name.startswith("__") and name.endswith("__")]
    if reserved:
        raise DataError(
            "DATA-07",
            f"{path.name} has columns with a reserved name.",
            why=f"Names between two underscores each are used inside: {_quoted(reserved)}.",
            fix="Rename them.",
        )
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "DATA-18",
            f"{path.name} has {len(names)} columns.",
            why=f"At most {MAX_COLUMNS} are taken.",
            fix="Leave out columns that say nothing about the target.",
        )
    return tuple(names)


def _no_rows(path: Path) -> DataError:
    return DataError(
        "DATA-02",
        f"{path.name} has no rows.",
        why="There is a header and nothing below it.",
        fix="Put the whole file there.",
    )


def _quoted(names: Iterable[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return ", ".join(repr(name) for name in shown[:8]) + more
