"""One backup: a compressed tar archive of files, with a list of them and their digests at its end.

Written and read as a stream. What a reader gets is checked against the list, so that a cut or changed archive is never
taken for a whole one.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from app.panel.backups.problems import DamagedBackupError
from pipeline.core.product import NAME

LIST_FILE: Final = "BACKUP.json"
SUFFIX: Final = ".tar.gz"
COMPRESSION: Final = 1  # models and plots shrink by half at any level; the higher ones take many times as long
BLOCK_BYTES: Final = 2**20
MAX_LIST_BYTES: Final = 256 * 2**20


class File(BaseModel):
    """A file of the archive."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sha256: str
    n_bytes: int


class Contents(BaseModel):
    """The list of an archive's files by name, and what made it. `schema_number` is that of the database."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    product: str = NAME
    version: str
    schema_number: str
    created_at: AwareDatetime
    files: dict[str, File]

    @property
    def n_bytes(self) -> int:
        """Return the size of all files."""
        return sum(file.n_bytes for file in self.files.values())


class Source(Protocol):
    """A file to be archived, as it was at one moment."""

    @property
    def name(self) -> str:
        """Return its name in the archive."""

    def open(self) -> tuple[IO[bytes], int, float]:
        """Return the file, how many bytes of it to read, and when it was changed. Raises FileNotFoundError if it is gone."""


@dataclass(frozen=True)
class FileSource:
    """A file on disk; what is added to it while it is read is left out."""

    name: str
    path: Path

    def open(self) -> tuple[IO[bytes], int, float]:
        """See Source."""
        file = self.path.open("rb")
        status = self.path.stat()
        return file, status.st_size, status.st_mtime


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory."""

    name: str
    content: bytes

    def open(self) -> tuple[IO[bytes], int, float]:
        """See Source."""
        return io.BytesIO(self.content), len(self.content), datetime.now(UTC).timestamp()


def write_archive(
    target: IO[bytes], groups: Iterable[Iterable[Source]], *, version: str, schema_number: str, now: datetime
) -> Contents:
    """Write an archive of the files, and return its list. Of a group in which one is gone none is in it.

    Raises OSError where a file cannot be read or the archive cannot be written.
    """
    files: dict[str, File] = {}
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=COMPRESSION) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for group in groups:
            for source, (file, n_bytes, changed_at) in _opened(group):
                reader = _Digesting(file, n_bytes)
                tar.addfile(_member(source.name, n_bytes, changed_at), reader)
                files[source.name] = File(sha256=reader.hexdigest(), n_bytes=n_bytes)
        contents = Contents(version=version, schema_number=schema_number, created_at=now, files=files)
        raw = contents.model_dump_json(indent=1).encode()
        tar.addfile(_member(LIST_FILE, len(raw), now.timestamp()), io.BytesIO(raw))
    return contents


def read_archive(source: IO[bytes], into: Path | None) -> Contents:
    """Return the list of an archive all of whose files are as the list says; write them below `into`, unless it is None.

    `into` is a new folder; where this raises, what is in it must not be used. Raises DamagedBackupError.
    """
    found: dict[str, File] = {}
    raw: bytes | None = None
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is None or raw is not None or not _is_inside(member.name):
                    raise DamagedBackupError(f"It holds {member.name[:200]!r}, which no backup does.")
                if member.name == LIST_FILE:
                    raw = file.read(MAX_LIST_BYTES)
                else:
                    found[member.name] = _copy(file, None if into is None else into / member.name)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise DamagedBackupError(f"It cannot be read to its end: {error}.") from error
    except OSError as error:
        if error.errno is None:  # gzip: a wrong checksum, or no archive at all
            raise DamagedBackupError(f"It cannot be read to its end: {error}.") from error
        raise
    if raw is None:
        raise DamagedBackupError("It has no list of its files: it is cut off, or no backup of this program.")
    contents = _parsed(raw)
    for name in sorted(contents.files.keys() | found.keys()):
        if contents.files.get(name) != found.get(name):
            raise DamagedBackupError(f"{name} is not as its list says.")
    return contents


def _parsed(raw: bytes) -> Contents:
    try:
        members = json.loads(raw)
        if members.get("format") != 1 or members.get("product") != NAME:
            raise DamagedBackupError("A newer version of this program made it, or another one.")
        return Contents.model_validate(members)
    except (ValidationError, ValueError, AttributeError) as error:
        raise DamagedBackupError("The list of its files cannot be read.") from error


@contextmanager
def _closing(files: list[IO[bytes]]) -> Iterator[None]:
    try:
        yield
    finally:
        for file in files:
            file.close()


def _opened(group: Iterable[Source]) -> Iterator[tuple[Source, tuple[IO[bytes], int, float]]]:
    """Yield each source of a group with its open file; none if one of them is gone."""
    opened: list[tuple[Source, tuple[IO[bytes], int, float]]] = []
    handles: list[IO[bytes]] = []
    with _closing(handles):
        for source in group:
            try:
                parts = source.open()
            except FileNotFoundError:
                return
            handles.append(parts[0])
            opened.append((source, parts))
        yield from opened


def _member(name: str, n_bytes: int, changed_at: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = n_bytes, int(changed_at), 0o600
    return member


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _copy(file: IO[bytes], target: Path | None) -> File:
    digest, n_bytes = hashlib.sha256(), 0
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with open_sink(target) as sink:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            n_bytes += len(block)
            sink.write(block)
    return File(sha256=digest.hexdigest(), n_bytes=n_bytes)


@contextmanager
def open_sink(target: Path | None) -> Iterator[IO[bytes]]:
    """Yield the new file, or what takes bytes and keeps none."""
    if target is None:
        yield _Nowhere()
    else:
        with target.open("xb") as file:
            yield file


class _Nowhere(io.BytesIO):
    def write(self, data: object, /) -> int:
        return len(data)  # type: ignore[arg-type]


class _Digesting(io.RawIOBase):
    """Reads exactly `n_bytes` of a file, and digests them; a file that has become shorter ends with zeros."""

    def __init__(self, file: IO[bytes], n_bytes: int) -> None:
        self._file = file
        self._left = n_bytes
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        data = self._file.read(size)
        data += b"\0" * (size - len(data))
        self._left -= size
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        """Return the digest of what was read."""
        return self._digest.hexdigest()
