"""The raw files: which they are, and whether each is a table at all. Looks at the start of a file, not into its rows."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.product import PARQUET_SUFFIXES, TABLE_SUFFIXES
from pipeline.ingest import delimited
from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.problems import DifferentColumnsError, EmptyTableError, NoTableError, UnreadableFileError


def find(raw_dir: Path) -> list[Path]:
    """The tables directly in the folder, by name. Raises DataError DATA-01 if there is none."""
    found = sorted(path for path in raw_dir.glob("*") if _is_table(path)) if raw_dir.is_dir() else []
    if not found:
        raise NoTableError.in_folder(raw_dir)
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
            raise UnreadableFileError.no_access(path, error) from error
    return whole.hexdigest(), n_bytes


def inspect(path: Path) -> Source:
    """How to read a file. Raises DataError DATA-02 to DATA-07 or DATA-09 if it is no table."""
    if path.stat().st_size == 0:
        raise EmptyTableError.without_bytes(path)
    return _parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else delimited.inspect(path)


def inspect_all(paths: list[Path]) -> list[Source]:
    """All files, which must have the same columns. Raises as `inspect`, and DataError DATA-08 where they differ."""
    sources = [inspect(path) for path in paths]
    first = sources[0]
    for other in sources[1:]:
        lacking, extra = set(first.names) - set(other.names), set(other.names) - set(first.names)
        if lacking or extra:
            raise DifferentColumnsError(first.path, other.path, lacking, extra)
    return sources


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError.damaged_parquet(path, f"{error}".splitlines()[0]) from error
    if n_rows == 0:
        raise EmptyTableError.without_rows(path)
    names = [None if name.startswith("__index_level_") else name.strip() for name in schema.names]
    return Source(path, "parquet", checked_names(path, names))
