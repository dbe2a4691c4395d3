"""Turns whatever is not plain CSV in UTF-8 or Parquet into one of the two, in a scratch folder.

Compressed files, archives, workbooks, JSON lines, Feather files and texts in other encodings are read in pieces; what
follows knows nothing of them. A file is told by what it holds, whatever its name says.
"""

import bz2
import codecs
import gzip
import lzma
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline.core.disk import is_of_disk
from pipeline.core.memory import is_out_of_memory
from pipeline.core.temporary import held
from pipeline.ingest.conversion_problems import ArchiveError, UnpackedSizeError
from pipeline.ingest.encodings import is_utf8, write_as_utf8
from pipeline.ingest.json_tables import write_json
from pipeline.ingest.problems import UnreadableFileError
from pipeline.ingest.workbooks import write_sheet

MAX_UNPACKED_BYTES: Final = 16 * 2**30
MIN_FREE_BYTES: Final = 512 * 2**20  # that stay free on the disk
SCRATCH_PREFIX: Final = ".unpacked-"
MAX_DEPTH: Final = 3  # of compressed files in one another
_BLOCK_BYTES: Final = 2**20


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
    with TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=scratch) as folder, held(Path(folder)):
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
        if is_out_of_memory(error) or is_of_disk(error):
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
        (b"\xd0\xcf\x11\xe0", write_sheet),
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
        return write_json
    return None if is_utf8(path) else write_as_utf8


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
            return write_sheet(path, target, sheet)
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
    room = shutil.disk_usage(target.parent).free - MIN_FREE_BYTES
    limit = min(MAX_UNPACKED_BYTES, room)
    n_bytes = 0
    with target.open("wb") as file:
        while block := source.read(_BLOCK_BYTES):
            n_bytes += len(block)
            if n_bytes > limit:
                if room <= MAX_UNPACKED_BYTES:
                    raise UnpackedSizeError.of_disk(path, _lasting(target.parent), limit)
                raise UnpackedSizeError(path, limit)
            file.write(block)


def _lasting(folder: Path) -> Path:
    """Return the folder above the one that is removed again: the one whose disk somebody can look at."""
    scratch = next((each for each in (folder, *folder.parents) if each.name.startswith(SCRATCH_PREFIX)), folder)
    return scratch.parent


def _feather(path: Path, target: Path, _sheet: str | None) -> str:
    with (
        pa.memory_map(str(path)) as source,
        pyarrow.ipc.open_file(source) as reader,
        pq.ParquetWriter(target, reader.schema) as writer,
    ):
        for i in range(reader.num_record_batches):
            writer.write_batch(reader.get_batch(i))
    return "read as Feather"
