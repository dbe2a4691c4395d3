"""Turns whatever is not plain CSV in UTF-8 or Parquet into one of the two, in a scratch folder.

Compressed files, archives, workbooks, JSON lines, Feather files and texts in other encodings are read in pieces; what
follows knows nothing of them. A file is told by what it holds, whatever its name says.
"""

import bz2
import codecs
import csv
import gzip
import json
import lzma
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from charset_normalizer import from_bytes

from pipeline.core.memory import is_out_of_memory
from pipeline.core.sentences import listed, plural
from pipeline.ingest.conversion_problems import ArchiveError, SheetError, UnpackedSizeError
from pipeline.ingest.problems import UnreadableFileError
from pipeline.ingest.text_problems import EncodingError

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

MAX_UNPACKED_BYTES: Final = 16 * 2**30
MIN_FREE_BYTES: Final = 512 * 2**20  # that stay free on the disk
MAX_DEPTH: Final = 3  # of compressed files in one another
MAX_LISTED: Final = 10
_ISO_2022_BYTES: Final = 2**16  # whose start shows it
_ISO_2022: Final = re.compile(rb"\x1b\$[@B]")  # it is ASCII otherwise
_BLOCK_BYTES: Final = 2**20
_SAMPLE_BYTES: Final = 2**18  # of lines that show the encoding
_LINES_OF_BLOCK: Final = 500
SIMILAR_CHAOS: Final = 0.05  # of the charset-normalizer's measure of how little a text makes sense
# Encodings of tables that are not in UTF-8, as charset-normalizer calls them, and as people do; the usual ones first.
_ENCODINGS: Final = {
    "cp1252": "Windows-1252",
    "latin_1": "Latin-1",
    "mac_roman": "Mac Roman",
    "cp932": "Shift-JIS",
    "gb18030": "GB 18030",
    "cp1251": "Windows-1251",
}
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass
class Plain:
    """A file that is plain CSV in UTF-8 or Parquet: itself, or what was made of it; `notes` say what was done."""

    path: Path
    notes: list[str] = field(default_factory=list)


@contextmanager
def plain_files(paths: list[Path], scratch: Path | None = None, sheet: str | None = None) -> Iterator[list[Plain]]:
    """Yield for each file one that is plain CSV in UTF-8 or Parquet, of the same name; removed afterwards.

    `scratch` is the folder for them, by default that of temporary files; `sheet` names the one of a workbook. Raises
    DataError DATA-04 (encoding), -09 (damaged), -25 (archive), -26 (sheet) or -27 (too large when unpacked).
    """
    with TemporaryDirectory(prefix=".unpacked-", dir=scratch) as folder:
        yield [_plain(path, Path(folder) / str(i), sheet, 0) for i, path in enumerate(paths)]


def _plain(path: Path, folder: Path, sheet: str | None, depth: int) -> Plain:
    with path.open("rb") as file:
        head = file.read(_BLOCK_BYTES)
    kind = _kind(path, head)
    if kind is None or depth > MAX_DEPTH:
        return Plain(path)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    try:
        note = kind(path, target, sheet)
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException) as error:
        if is_out_of_memory(error):
            raise
        raise UnreadableFileError.damaged(path) from error
    inner = _plain(target, folder / "inner", sheet, depth + 1)
    return Plain(inner.path, [note, *inner.notes])


_Converter = Callable[[Path, Path, str | None], str]


def _kind(path: Path, head: bytes) -> _Converter | None:
    """Return what converts the file; None if it is plain, or nothing that is known here."""
    starts: tuple[tuple[bytes, _Converter], ...] = (
        (b"\x1f\x8b", _gzip),
        (b"BZh", _bz2),
        (b"\xfd7zXZ", _xz),
        (b"\x28\xb5\x2f\xfd", _zstd),
        (b"PK\x03\x04", _zip_or_workbook),
        (b"\xd0\xcf\x11\xe0", _workbook),
        (b"ARROW1", _feather),
    )
    for start, convert in starts:
        if head.startswith(start):
            return convert
    # Parquet is plain; of pictures and documents the reader says what they are.
    if head.startswith((b"PAR1", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF")):
        return None
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith((b"{", b"[{", b"[\n", b"[\r", b"[ ")) and path.suffix.lower() in {".json", ".jsonl", ".ndjson"}:
        return _json
    return None if _is_utf8(path) else _encoded


def _gzip(path: Path, target: Path, _sheet: str | None) -> str:
    with gzip.open(path) as source:
        _copy(path, source, target)
    return "unpacked with gzip"


def _bz2(path: Path, target: Path, _sheet: str | None) -> str:
    with bz2.open(path) as source:
        _copy(path, source, target)
    return "unpacked with bzip2"


def _xz(path: Path, target: Path, _sheet: str | None) -> str:
    with lzma.open(path) as source:
        _copy(path, source, target)
    return "unpacked with xz"


def _zstd(path: Path, target: Path, _sheet: str | None) -> str:
    with pa.input_stream(str(path), compression="zstd") as source:
        _copy(path, source, target)
    return "unpacked with zstd"


def _zip_or_workbook(path: Path, target: Path, sheet: str | None) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.startswith(("xl/", "content.xml")) for name in names):
            return _workbook(path, target, sheet)
        members = [
            info
            for info in archive.infolist()
            if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and not Path(info.filename).name.startswith(".")
        ]
        if len(members) != 1:
            raise ArchiveError(path, [info.filename for info in members])
        if members[0].flag_bits & 1:
            raise ArchiveError.locked(path)
        # The member's own name is never used as a path.
        with archive.open(members[0]) as source:
            _copy(path, source, target)
        return f"unpacked {members[0].filename!r}"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _copy(path: Path, source: _Readable, target: Path) -> None:
    """Write an unpacked file, at most as much as the disk may take. Raises UnpackedSizeError."""
    limit = min(MAX_UNPACKED_BYTES, shutil.disk_usage(target.parent).free - MIN_FREE_BYTES)
    n_bytes = 0
    with target.open("wb") as file:
        while block := source.read(_BLOCK_BYTES):
            n_bytes += len(block)
            if n_bytes > limit:
                raise UnpackedSizeError(path, limit)
            file.write(block)


def _workbook(path: Path, target: Path, sheet: str | None) -> str:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - rarely needed

    try:
        with path.open("rb") as file:  # which kind it is shows in what it holds
            book = CalamineWorkbook.from_filelike(file)
            name = _sheet_name(path, book, sheet)
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=True)
    except PasswordError as error:
        raise ArchiveError.locked(path) from error
    except CalamineError as error:
        raise UnreadableFileError.damaged(path) from error
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([_cell_text(cell) for cell in row] for row in rows)
    return f"read from the sheet {name!r}"


def _sheet_name(path: Path, book: "CalamineWorkbook", sheet: str | None) -> str:
    """Return the sheet to read: the one that is named, or the only one with rows. Raises SheetError."""
    names: list[str] = book.sheet_names
    if sheet is not None:
        if sheet not in names:
            raise SheetError.unknown(path, sheet, names)
        return sheet
    filled = [name for name in names if book.get_sheet_by_name(name).total_height > 1]
    if len(filled) > 1:
        raise SheetError.several(path, filled)
    return filled[0] if filled else names[0]


def _cell_text(value: object) -> str:
    """Return the value of a workbook's cell as text that reads back as the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return repr(value.total_seconds() / 86_400)
    # A line break in a cell is a blank to a table.
    return " ".join(str(value).splitlines())


def _feather(path: Path, target: Path, _sheet: str | None) -> str:
    with (
        pa.memory_map(str(path)) as source,
        pyarrow.ipc.open_file(source) as reader,
        pq.ParquetWriter(target, reader.schema) as writer,
    ):
        for i in range(reader.num_record_batches):
            writer.write_batch(reader.get_batch(i))
    return "read as Feather"


def _json(path: Path, target: Path, _sheet: str | None) -> str:
    """Write the objects of JSON lines, or of one list, as CSV: nested objects as `a.b`, lists left out."""
    names: dict[str, None] = {}
    left_out: dict[str, None] = {}
    n_rows = 0
    for record in _objects(path):
        names |= dict.fromkeys(_flat(record, left_out))
        n_rows += 1
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for record in _objects(path):
            flat = _flat(record, {})
            writer.writerow([_json_text(flat.get(name)) for name in names])
    rest = f"; lists are left out: {listed([*left_out], MAX_LISTED)}" if left_out else ""
    return f"read as JSON, {plural(n_rows, 'record')}{rest}"


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        file.seek(0)
        try:
            if first == "[" or not _are_lines(file):
                yield from _records(json.load(file))
                return
            for line in file:
                if line.strip():
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record
        except (ValueError, RecursionError) as error:
            raise UnreadableFileError.damaged(path) from error


def _are_lines(file: TextIO) -> bool:
    """Return whether each line is an object by itself; the file is at its start again."""
    lines = (line for line in file if line.strip())
    try:
        json.loads(next(lines, ""))
        are_lines = next(lines, None) is not None
    except ValueError:
        are_lines = False
    file.seek(0)
    return are_lines


def _records(whole: object) -> list[dict[str, Any]]:
    """Return the objects of one JSON document: those of its list, of its longest member that is one, or of its columns, as
    pandas and JavaScript write tables.
    """
    if isinstance(whole, list):
        return [record for record in whole if isinstance(record, dict)]
    if not isinstance(whole, dict):
        return []
    names, rows = whole.get("columns"), whole.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return [dict(zip(map(str, names), row, strict=False)) for row in rows]
    lists = [records for member in whole.values() if isinstance(member, list) and (records := _records(member))]
    if lists:
        return max(lists, key=len)
    columns = {name: values for name, values in whole.items() if isinstance(values, dict | list)}
    sizes = {len(values) for values in columns.values()}
    if len(columns) == len(whole) and len(sizes) == 1 and max(sizes) > 1:
        by_row = [[*(values.values() if isinstance(values, dict) else values)] for values in columns.values()]
        if not any(isinstance(value, dict | list) for values in by_row for value in values):
            return [dict(zip(columns, row, strict=True)) for row in zip(*by_row, strict=True)]
    return [whole]


def _flat(record: dict[str, Any], left_out: dict[str, None], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = prefix + key
        if isinstance(value, dict):
            flat |= _flat(value, left_out, f"{name}.")
        elif isinstance(value, list):
            left_out[name] = None
        else:
            flat[name] = value
    return flat


def _json_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _is_utf8(path: Path) -> bool:
    """Return whether a file is text in UTF-8, or no text at all: that is said where it is read."""
    if _is_iso_2022(path):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if block.isascii() and not decoder.getstate()[0]:
                continue
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return False
    return not decoder.getstate()[0]


def _encoded(path: Path, target: Path, _sheet: str | None) -> str:
    encoding, note = find_encoding(path)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as file:
        try:
            while block := source.read(_BLOCK_BYTES):
                file.write(decoder.decode(block))
            file.write(decoder.decode(b"", final=True))
        except UnicodeDecodeError as error:
            raise EncodingError(path, error) from error
    return note


def find_encoding(path: Path) -> tuple[str, str]:
    """Return the encoding of a text that is not in UTF-8, and a note that says it with letters that depend on it.

    Raises DataError DATA-04 if there is none in which it makes sense.
    """
    sample = _sample(path)
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            return encoding, "read as UTF-16"
    if _is_iso_2022(path):
        return "iso2022_jp", "read as ISO-2022-JP"
    found = [match for match in from_bytes(sample, cp_isolation=[*_ENCODINGS]) if match.encoding in _ENCODINGS]
    if not found:
        raise EncodingError.unknown(path)
    order = list(_ENCODINGS)
    found.sort(key=lambda match: (round(match.chaos, 2), -round(match.coherence, 1), order.index(match.encoding)))
    best, letters = found[0], _letters(str(found[0]))
    others = [
        f"{_ENCODINGS[match.encoding]} ({_letters(str(match))})"
        for match in found[1:3]
        if match.chaos <= best.chaos + SIMILAR_CHAOS and _letters(str(match)) != letters
    ]
    doubt = f"; it may also be {' or '.join(others)}" if others else ""
    return best.encoding, (
        f"not in UTF-8; read as {_ENCODINGS[best.encoding]}, with {letters}{doubt}. If these are not its letters, save it as "
        "UTF-8"
    )


def _is_iso_2022(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(_ISO_2022.search(file.read(_ISO_2022_BYTES)))


def _sample(path: Path) -> bytes:
    """Return the start of a file with a mark of UTF-16, else lines from all over it that are not plain ASCII."""
    lines: list[bytes] = []
    n_bytes = 0
    with path.open("rb") as file:
        start = file.read(2)
        if start in _MARKS:
            return start
        file.seek(0)
        while n_bytes < _SAMPLE_BYTES and (block := file.read(_BLOCK_BYTES)):
            if not block.isascii():
                found = [line for line in block.split(b"\n") if not line.isascii()]
                lines += found[:_LINES_OF_BLOCK]
                n_bytes += sum(map(len, found[:_LINES_OF_BLOCK]))
    return b"\n".join(lines)[: 2 * _SAMPLE_BYTES]


def _letters(text: str) -> str:
    found = dict.fromkeys(character for character in text if ord(character) > 127)
    return " ".join([*found][:8])
