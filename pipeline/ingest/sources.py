"""Finds the raw files and checks that each is a table. Reads the start of a file, not its rows."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.table_files import PARQUET_SUFFIXES, is_table
from pipeline.ingest import delimited
from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.problems import DifferentColumnsError, EmptyTableError, NoTableError, UnreadableFileError


def find(raw_dir: Path) -> list[Path]:
    """Return the tables directly in the folder, sorted by name. Raises DataError DATA-01 if there is none."""
    paths = sorted(path for path in raw_dir.iterdir() if is_table(path)) if raw_dir.is_dir() else []
    if not paths:
        raise NoTableError.in_folder(raw_dir)
    return paths


def digest(paths: Iterable[Path]) -> tuple[str, int]:
    """Return the sha256 over the files' contents in the given order, and their size in bytes. Names do not count.

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
    """Return how to read a file. Raises DataError DATA-02 to -07, -09, -18, -19 or -23 if it is not a table."""
    if path.stat().st_size == 0:
        raise EmptyTableError.without_bytes(path)
    return _parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else delimited.inspect(path)


def inspect_all(paths: list[Path]) -> list[Source]:
    """Return how to read the files of one table. Raises as `inspect` does, and DataError DATA-08 if columns differ."""
    sources = [inspect(path) for path in paths]
    first = sources[0]
    for other in sources[1:]:
        missing, extra = set(first.names) - set(other.names), set(other.names) - set(first.names)
        if missing or extra:
            raise DifferentColumnsError(first.path, other.path, missing, extra)
    return sources


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
