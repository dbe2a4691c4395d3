"""Reads the raw files into one table of typed columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.params import ColumnOptions
from pipeline.core.sentences import plural
from pipeline.core.table_profile import ColumnReport
from pipeline.ingest import delimited, odd_rows, sources
from pipeline.ingest.column_builder import ColumnBuilder
from pipeline.ingest.columns import (
    Column,
    DateColumn,
    FreeTextColumn,
    NumberColumn,
    Table,
    TextColumn,
    UnusableColumn,
    take,
)
from pipeline.ingest.conversion import plain_files
from pipeline.ingest.frames import read_frames
from pipeline.ingest.headers import Source
from pipeline.ingest.identifiers import counts_up, is_called_row_number, is_identifier, is_row_number
from pipeline.ingest.inference import infer
from pipeline.ingest.problems import EmptyTableError
from pipeline.ingest.reports import doubtful_number, report_of_dates, report_of_numbers
from pipeline.ingest.text_reading import IDENTIFIER_SHARE, MIN_DISTINCT
from pipeline.ingest.untyped import NO_OPTIONS, Circumstances


def read(
    paths: list[Path],
    max_cells: int = 0,
    *,
    options: Mapping[str, ColumnOptions] | None = None,
    target: str | Callable[[list[str]], str] = "",
    scratch: Path | None = None,
    sheet: str | None = None,
) -> Table:
    """Return all rows of the files, in the order given.

    `options` are what a person decided about columns. In the column `target`, which may be found from the names of all, a
    word for missing may be a class. Files that are not plain are unpacked into the folder `scratch`, by default that of
    temporary files; `sheet` is the one of a workbook. Raises DataError DATA-02 to DATA-09, DATA-18, -19 and -25 to -28, and
    DATA-24, before any row is read, if there are more cells than `max_cells`, or with 0 than fit the memory of this process.
    """
    with plain_files(paths, scratch, sheet) as plain:
        raw_files = sources.inspect_all([file.path for file in plain])
        sources.check_size(raw_files, max_cells or sources.cells_in_memory())
        name = target if isinstance(target, str) else target(raw_files[0].names)
        table = _read(raw_files, options or {}, name)
        table.notes[:0] = [f"{file.path.name}: {note}" for file in plain for note in file.notes]
        return table


def _read(raw_files: list[Source], options: Mapping[str, ColumnOptions], target: str) -> Table:
    builders, file_rows = _read_columns(raw_files, target, options)
    n_rows = sum(file_rows)
    if n_rows == 0:
        raise EmptyTableError.without_rows(raw_files[0].path)
    as_written = _to_read_as_text(raw_files, builders, options)
    if as_written:
        builders |= _read_as_text(raw_files, as_written, options)
    table = Table({}, n_rows, delimiter=raw_files[0].delimiter or ",")
    table.notes.extend(f"{file.path.name}: {note}" for file in raw_files for note in file.notes)
    table.notes.extend(
        f"{f.path.name}: the unnamed first column numbers the rows; skipped" for f in raw_files if None in f.columns
    )
    file_mark = _file_mark(raw_files, builders)
    raw: dict[str, Column] = {}
    for name in list(builders):
        # Each builder is dropped as soon as its column exists, so that not everything is held twice.
        builder = builders.pop(name)
        table.warnings.extend(builder.warnings())
        if name == target:
            table = replace(table, exact_target=builder.exact_numbers)
        raw[name] = builder.column()
    odd = odd_rows.find(raw, file_rows)
    table.warnings.extend(odd.remarks)
    has_odd = bool(odd.drop.any())
    if has_odd:
        exact = None if table.exact_target is None else table.exact_target[~odd.drop]
        table = replace(table, n_rows=n_rows - int(odd.drop.sum()), exact_target=exact)
    first_rows = _first_rows(file_rows, odd.drop)
    row_numbers: list[Column] = []
    for name in list(raw):
        column = raw.pop(name)
        if has_odd:
            column = take(column, ~odd.drop)
        chosen = options.get(name, NO_OPTIONS)
        column = _typed(table, column, Circumstances(chosen, file_mark, table.delimiter, name == target))
        if name != target and is_row_number(column, first_rows):
            row_numbers.append(column)
        else:
            _add(table, column, is_target=name == target)
    _settle(table, row_numbers, target)
    return table


def _typed(table: Table, column: Column, circumstances: Circumstances) -> Column:
    """Return the column with its type; its report and warnings go to the table."""
    report = ColumnReport(name=column.name, kind="other")
    if isinstance(column, TextColumn):
        typed = infer(column, circumstances)
        column, report = typed.column, typed.report
        table.warnings.extend(typed.warnings)
    elif isinstance(column, NumberColumn):
        report = report_of_numbers(column)
    elif isinstance(column, DateColumn):
        report = report_of_dates(column)
    table.reports[column.name] = report
    return column


def _add(table: Table, column: Column, *, is_target: bool) -> None:
    report = table.reports[column.name]
    column = _usable(column, table.warnings.append, is_target=is_target)
    if isinstance(column, UnusableColumn):
        table.reports[column.name] = report.model_copy(update={"kind": "other"})
    if report.remarks:
        table.notes.append(f"Column {column.name!r}: {'; '.join(report.remarks)}")
    table.columns[column.name] = column


def _settle(table: Table, row_numbers: list[Column], target: str) -> None:
    """Leave out what only numbers the rows, so that it does not even count for the split, unless there is nothing else to
    predict from.
    """
    is_all = all(name == target or isinstance(column, UnusableColumn) for name, column in table.columns.items())
    for column in row_numbers:
        name = column.name
        if is_all:
            table.columns[name] = column
            table.warnings.append(
                f"Column {name!r} may number the rows; it is kept, since there is no other to predict from."
            )
            continue
        table.reports[name] = table.reports[name].model_copy(update={"kind": "skipped"})
        if is_called_row_number(name) and counts_up(column):
            table.notes.append(f"Column {name!r} numbers the rows; skipped")
        else:
            how = "counts up from row to row" if counts_up(column) else "has another number in each row"
            table.warnings.append(f"Column {name!r} {how}; it is left out as row numbers.")


def _usable(column: Column, warn: Callable[[str], None], *, is_target: bool) -> Column:
    """Return the column, as one that no model can use if it is an ID."""
    if isinstance(column, TextColumn):
        is_free = isinstance(column, FreeTextColumn)
        if not is_free and len(column.labels) > max(MIN_DISTINCT, IDENTIFIER_SHARE * column.present.sum()):
            looks_like = "" if is_target else " without words in common: looks like an ID"
            reason = f"{len(column.labels):,} distinct values{looks_like}"
            return UnusableColumn(column.name, column.hashes(), reason)
        return column
    if not is_target and is_identifier(column):
        return UnusableColumn(column.name, column.hashes(), "a unique number in each row: looks like an ID")
    if isinstance(column, NumberColumn):
        if column.infinite:
            warn(f"Column {column.name!r}: {plural(column.infinite, 'infinite value')} treated as missing.")
        if doubt := doubtful_number(column):
            warn(doubt)
    return column


def _first_rows(file_rows: Sequence[int], dropped: npt.NDArray[np.bool_]) -> set[int]:
    """Return the places of the first row of each file among the rows that are kept."""
    before = np.concatenate([[0], np.cumsum(file_rows)[:-1]])
    return {int(start - dropped[:start].sum()) for start in before}


def _to_read_as_text(
    raw_files: list[Source], builders: Mapping[str, ColumnBuilder], options: Mapping[str, ColumnOptions]
) -> list[str]:
    """Return the columns of which only the text of the files shows what they hold."""
    names = {
        name for name, builder in builders.items() if builder.mixed or builder.has_long_numbers or builder.may_be_dates
    }
    names |= {name for name, chosen in options.items() if name in builders and chosen != NO_OPTIONS}
    for file in raw_files:
        names |= file.doubtful_columns
        if file.has_leading_zeros:
            names |= {name for name, builder in builders.items() if builder.kinds == {"number"} and builder.is_whole}
    return [name for name, builder in builders.items() if name in names and not builder.unusable_reason]


def _file_mark(raw_files: list[Source], builders: Mapping[str, ColumnBuilder]) -> str:
    """Return the decimal mark that some numbers show, "" if none does."""
    if any(file.decimal == "," for file in raw_files):
        return ","
    return "." if any(builder.has_fractions for builder in builders.values()) else ""


def _read_columns(
    raw_files: list[Source], target: str, options: Mapping[str, ColumnOptions]
) -> tuple[dict[str, ColumnBuilder], list[int]]:
    """Return the columns in the order of the first file, and the number of rows of each."""
    first = raw_files[0]
    builders = {
        name: ColumnBuilder(
            name, first.decimal, first.delimiter, options.get(name, NO_OPTIONS), keeps_exact=name == target
        )
        for name in first.names
    }
    file_rows: list[int] = []
    for file in raw_files:
        n_file_rows = 0
        last = file.columns[-1]
        is_last_missing = last is None
        for frame in read_frames(file):
            for name, builder in builders.items():
                builder.add(frame[name], file.decimal != first.decimal)
            n_file_rows += len(frame)
            is_last_missing = file.format == "csv" and (is_last_missing or _has_blank(frame[last]))
        if file.format == "csv":
            delimited.check_rows(file, n_file_rows, is_last_missing)
        file_rows.append(n_file_rows)
    return builders, file_rows


def _has_blank(piece: "pd.Series[Any]") -> bool:
    return bool(piece.isna().any()) or (piece.dtype.kind not in "biuf" and bool((piece == "").any()))


def _read_as_text(
    raw_files: list[Source], names: list[str], options: Mapping[str, ColumnOptions]
) -> dict[str, ColumnBuilder]:
    """Return columns that are numeric in one piece and text in another, read again as they are written."""
    first = raw_files[0]
    builders = {
        name: ColumnBuilder(name, first.decimal, first.delimiter, options.get(name, NO_OPTIONS)) for name in names
    }
    for file in raw_files:
        for frame in read_frames(file, names):
            for name in names:
                builders[name].add(frame[name], file.decimal != first.decimal)
    return builders
