"""Finds the raw files and checks that each is a table. Reads the start of a file, not its rows."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import memory
from pipeline.core.cells import match_names
from pipeline.core.disk import is_of_disk
from pipeline.core.sentences import listed
from pipeline.core.table_files import PARQUET_SUFFIXES, is_table
from pipeline.ingest import delimited
from pipeline.ingest.frames import flat_names
from pipeline.ingest.headers import Source, checked_names
from pipeline.ingest.problems import (
    DifferentColumnsError,
    EmptyTableError,
    NoTableError,
    TableTooLargeError,
    UnreadableFileError,
)

# At the peak of a run, per cell of the table. Measured: process_data takes 10 bytes, train_model with gradient boosting 33.
BYTES_PER_CELL: Final = 40
MAX_LISTED: Final = 5
BYTES_WITHOUT_TABLE: Final = 320 * 2**20  # Python and the libraries


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
            if is_of_disk(error):
                raise
            raise UnreadableFileError.no_access(path, error) from error
    return whole.hexdigest(), n_bytes


def inspect(path: Path) -> Source:
    """Return how to read a file. Raises DataError DATA-02 to -07, -09, -18, -19 or -28 if it is not a table."""
    if path.stat().st_size == 0:
        raise EmptyTableError.without_bytes(path)
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES
    return _parquet(path) if is_parquet else delimited.inspect(path)


def inspect_all(paths: list[Path]) -> list[Source]:
    """Return how to read the files of one table. Raises as `inspect` does, and DataError DATA-08 if columns differ."""
    sources = [inspect(path) for path in paths]
    first = sources[0]
    sources[1:] = [_with_names_of(first, other) for other in sources[1:]]
    for other in sources[1:]:
        missing, extra = set(first.names) - set(other.names), set(other.names) - set(first.names)
        if missing or extra:
            raise DifferentColumnsError(first.path, other.path, missing, extra)
    return sources


def _with_names_of(first: Source, other: Source) -> Source:
    """Return a CSV file whose header differs from that of the first file in case and blanks only, with the names of that."""
    names = match_names(other.names, first.names)
    if other.format != "csv" or set(other.names) == set(first.names) or set(names.values()) != set(first.names):
        return other
    renamed = [f"{sent!r} = {name!r}" for sent, name in names.items() if sent != name]
    return replace(
        other,
        columns=tuple(None if name is None else names.get(name, name) for name in other.columns),
        notes=(*other.notes, f"columns taken for those of {first.path.name}: {listed(renamed, MAX_LISTED)}"),
        text_columns=frozenset(names.get(name, name) for name in other.text_columns),
        doubtful_columns=frozenset(names.get(name, name) for name in other.doubtful_columns),
    )


def check_size(files: list[Source], max_cells: int) -> None:
    """Raise DataError DATA-24 if the files have more cells together: small files may hold huge tables."""
    n_cells = sum(file.n_cells for file in files)
    if n_cells > max_cells:
        raise TableTooLargeError(files[0].path, len(files), n_cells, max_cells)


def cells_in_memory() -> int:
    """Return how many cells of a table a run can work on in the memory of this process."""
    whole = memory.process_limit_bytes() or memory.stage_share_bytes()
    return max(0, whole - BYTES_WITHOUT_TABLE) // BYTES_PER_CELL


def _parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
    except (pa.ArrowException, OSError) as error:
        if memory.is_out_of_memory(error) or is_of_disk(error):
            raise
        raise UnreadableFileError.damaged_parquet(path, f"{error}".splitlines()[0]) from error
    if metadata.num_rows == 0:
        raise EmptyTableError.without_rows(path)
    names = [None if name.startswith("__index_level_") else name.strip() for name in flat_names(schema)]
    columns = checked_names(path, names)
    return Source(path, "parquet", columns, n_cells=_count_cells(metadata))


def _count_cells(metadata: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """Return the number of values that the footer lists; a column of lists has more than there are rows."""
    n_cells = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        n_cells += sum(max(group.num_rows, group.column(j).num_values) for j in range(group.num_columns))
    return n_cells
