"""Reads the raw files into one table of typed columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.core.sentences import plural
from pipeline.ingest import delimited, sources
from pipeline.ingest.column_builder import ColumnBuilder
from pipeline.ingest.columns import (
    Column,
    NumberColumn,
    Table,
    TextColumn,
    UnusableColumn,
    infer_type,
    is_identifier,
    is_row_number,
)
from pipeline.ingest.frames import read_frames
from pipeline.ingest.headers import Source
from pipeline.ingest.problems import EmptyTableError

IDENTIFIER_SHARE: Final = 0.5  # of the rows have a text that no other row has


def read(paths: list[Path], max_cells: int = 0) -> Table:
    """Return all rows of the files, in the order given.

    Raises DataError DATA-02 to DATA-09, DATA-18, -19 and -23, and DATA-24, before any row is read, if there are more
    cells than `max_cells`, or with 0 than fit the memory of this process.
    """
    raw_files = sources.inspect_all(paths)
    sources.check_size(raw_files, max_cells or sources.cells_in_memory())
    builders, n_rows = _read_columns(raw_files)
    if n_rows == 0:
        raise EmptyTableError.without_rows(raw_files[0].path)
    mixed = [name for name, builder in builders.items() if builder.mixed]
    if mixed:
        builders |= _read_as_text(raw_files, mixed)
    notes = [f"{file.path.name}: {note}" for file in raw_files for note in file.notes]
    notes += [
        f"{f.path.name}: the unnamed first column numbers the rows; skipped" for f in raw_files if None in f.columns
    ]
    warnings: list[str] = []
    columns: dict[str, Column] = {}
    for name in list(builders):
        # Each builder is dropped as soon as its column exists, so that not everything is held twice.
        column = _typed_column(name, builders.pop(name), warnings.append)
        if column is None:
            notes.append(f"Column {name!r} numbers the rows; skipped")
        else:
            columns[name] = column
    return Table(columns, n_rows, notes, warnings)


def _read_columns(raw_files: list[Source]) -> tuple[dict[str, ColumnBuilder], int]:
    """Return the columns in the order of the first file, and the number of rows."""
    builders = {name: ColumnBuilder() for name in raw_files[0].names}
    n_rows = 0
    for file in raw_files:
        n_file_rows = 0
        last = file.columns[-1]
        is_last_missing = last is None
        for frame in read_frames(file):
            for name, builder in builders.items():
                builder.add(frame[name], file.decimal)
            n_file_rows += len(frame)
            is_last_missing = is_last_missing or bool(frame[last].isna().any())
        if file.format == "csv":
            delimited.check_rows(file, n_file_rows, is_last_missing)
        n_rows += n_file_rows
    return builders, n_rows


def _read_as_text(raw_files: list[Source], names: list[str]) -> dict[str, ColumnBuilder]:
    """Return columns that are numeric in one piece and text in another, read again as they are written."""
    builders = {name: ColumnBuilder() for name in names}
    for file in raw_files:
        for frame in read_frames(file, names):
            for name in names:
                builders[name].add(frame[name], file.decimal)
    return builders


def _typed_column(name: str, builder: ColumnBuilder, warn: Callable[[str], None]) -> Column | None:
    """Return the typed column; None if it only numbers the rows, so that it does not even count for the split."""
    column = builder.column(name)
    if isinstance(column, TextColumn):
        column = infer_type(column, builder.decimals, warn)
    if isinstance(column, TextColumn) and len(column.labels) > max(50, IDENTIFIER_SHARE * np.sum(column.codes >= 0)):
        reason = f"{len(column.labels):,} distinct values: looks like an ID or free text"
        return UnusableColumn(name, column.hashes(), reason)
    if is_row_number(column):
        return None
    if is_identifier(column):
        return UnusableColumn(name, column.hashes(), "a unique number in each row: looks like an ID")
    if isinstance(column, NumberColumn) and column.infinite:
        warn(f"Column {name!r}: {plural(column.infinite, 'infinite value')} treated as missing.")
    return column
