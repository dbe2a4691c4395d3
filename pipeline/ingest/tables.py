"""Reads the raw files into one typed table, in pieces, so that millions of rows stay within memory."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.cells import MISSING_TOKENS
from pipeline.ingest import delimited, sources
from pipeline.ingest.columns import (
    Column,
    Hashes,
    NumberColumn,
    Table,
    TextColumn,
    UnusableColumn,
    infer_type,
    is_identifier,
    is_row_number,
    number_column,
)
from pipeline.ingest.headers import Source
from pipeline.ingest.problems import EmptyTableError, EncodingError, RowLengthError, UnreadableFileError

CHUNK_ROWS: Final = 262_144
MAX_LABELS: Final = 500_000  # more different texts than this are not kept: the column is an identifier or free text
IDENTIFIER_SHARE: Final = 0.5  # of the rows have a text of their own


def read(paths: list[Path]) -> Table:
    """All rows of the files, in the order given. Raises DataError DATA-02 to DATA-09 and DATA-18."""
    found = sources.inspect_all(paths)
    names = found[0].names
    piles = {name: ColumnBuilder() for name in names}
    n_rows = 0
    for source in found:
        here = 0
        last = source.columns[-1]
        last_missing = last is None
        for frame in _frames(source):
            for name in names:
                piles[name].add(frame[name], source.decimal)
            here += len(frame)
            last_missing = last_missing or bool(frame[last].isna().any())
        if source.format == "csv":
            delimited.check_rows(source, here, last_missing)
        n_rows += here
    if n_rows == 0:
        raise EmptyTableError.without_rows(found[0].path)
    mixed = [name for name in names if piles[name].mixed]
    if mixed:
        piles |= _as_text(found, mixed)
    notes = [f"{source.path.name}: {note}" for source in found for note in source.notes]
    notes += [f"{s.path.name}: its unnamed first column numbers the rows; left out" for s in found if None in s.columns]
    warned: list[str] = []
    columns: dict[str, Column] = {}
    for name in names:
        # Each pile is given up as soon as its column is made, so that not everything is held twice.
        column = _column(name, piles.pop(name), warned)
        if column is None:
            notes.append(f"Column {name!r} numbers the rows; left out")
        else:
            columns[name] = column
    return Table(columns, n_rows, notes, warned)


def _column(name: str, pile: "ColumnBuilder", warned: list[str]) -> Column | None:
    """The typed column; None if it only numbers the rows, so that it does not even count for the split."""
    column = pile.column(name)
    if isinstance(column, TextColumn):
        column = infer_type(column, pile.decimals, warned.append)
    if isinstance(column, TextColumn) and len(column.labels) > max(50, IDENTIFIER_SHARE * np.sum(column.codes >= 0)):
        return UnusableColumn(
            name, column.hashes(), f"{len(column.labels)} different texts: an identifier or free text"
        )
    if is_row_number(column):
        return None
    if is_identifier(column):
        return UnusableColumn(name, column.hashes(), "a number of its own in each row: an identifier")
    if isinstance(column, NumberColumn) and column.infinite:
        warned.append(f"Column {name!r}: {column.infinite} infinite values; taken as missing.")
    return column


def _frames(source: Source, text: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """The rows of a file in pieces, named columns only; with `text`, only these columns, and as text."""
    return _csv_frames(source, text) if source.format == "csv" else _parquet_frames(source, text)


def _csv_frames(source: Source, text: list[str] | None) -> Iterator[pd.DataFrame]:
    names = [name if name is not None else "\0" for name in source.columns]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            with pd.read_csv(
                source.path,
                sep=source.delimiter,
                decimal=source.decimal,
                header=source.skip,
                names=names,
                index_col=False,
                usecols=None if text is None else text,
                dtype=None if text is None else str,
                na_values=list(MISSING_TOKENS),
                keep_default_na=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
                chunksize=CHUNK_ROWS,
            ) as reader:
                yield from reader
        except UnicodeDecodeError as error:
            raise EncodingError(source.path, error) from error
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise RowLengthError(source.path, len(source.columns), _reason(error)) from error


def _parquet_frames(source: Source, text: list[str] | None) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(source.path) as file:
            stored = dict(zip((n.strip() for n in file.schema_arrow.names), file.schema_arrow.names, strict=True))
            wanted = {stored[name]: name for name in text or source.names}
            for batch in file.iter_batches(CHUNK_ROWS, columns=list(wanted), use_threads=False):
                # As text, a whole number beside a gap is "3", not "3.0".
                frame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=text is not None)
                frame = frame.rename(columns=wanted)
                for one in batch.schema:
                    if one.name in wanted and (pa.types.is_binary(one.type) or pa.types.is_large_binary(one.type)):
                        frame[wanted[one.name]] = _decoded(frame[wanted[one.name]])
                yield frame if text is None else frame.map(str, na_action="ignore")
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError.damaged_parquet(source.path, _reason(error)) from error


def _as_text(found: list[Source], names: list[str]) -> dict[str, "ColumnBuilder"]:
    """Columns that are numbers in one piece and text in another, read once more as they are written."""
    piles = {name: ColumnBuilder() for name in names}
    for source in found:
        for frame in _frames(source, names):
            for name in names:
                piles[name].add(frame[name], source.decimal)
    return piles


def _reason(error: Exception) -> str:
    return f"{error}".strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ") + "."


@dataclass
class ColumnBuilder:
    """The pieces of one column as they are read: float32 values, or int32 positions in `positions`."""

    pieces: list[npt.NDArray[np.float32] | npt.NDArray[np.int32]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)  # of "boolean", "number", "text": pieces without a value have none
    decimals: set[str] = field(default_factory=set)  # the marks that its texts are written with
    infinite: int = 0
    opaque: str = ""  # why the values are not kept; `row_hashes` are then complete
    row_hashes: list[Hashes] = field(default_factory=list)

    @property
    def mixed(self) -> bool:
        return len(self.kinds) > 1 and not self.opaque

    def add(self, piece: "pd.Series[Any]", decimal: str) -> None:
        if isinstance(piece.dtype, pd.CategoricalDtype):
            piece = piece.astype(object)
        unusable = _unusable(piece)
        if unusable:
            self._give_up(unusable)
        if self.opaque:
            self._add_hashes(piece)
        elif piece.isna().all():
            self.pieces.append(np.full(len(piece), np.nan, dtype=np.float32))
        elif piece.dtype.kind in "biuf":
            self.kinds.add("boolean" if piece.dtype.kind == "b" else "number")
            column = number_column("", piece.to_numpy(dtype=np.float64, na_value=np.nan))
            self.infinite += column.infinite
            self.pieces.append(column.values)
        else:
            self.kinds.add("text")
            self.decimals.add(decimal or ".")
            codes, labels = pd.factorize(piece)
            self.pieces.append(np.array([*map(self._position, labels), -1], dtype=np.int32)[codes])
            if len(self.positions) > MAX_LABELS:
                self._give_up(f"more than {MAX_LABELS:,} different texts: an identifier or free text")

    def column(self, name: str) -> Column:
        if self.opaque:
            return UnusableColumn(name, np.concatenate(self.row_hashes), self.opaque)
        if "text" in self.kinds:
            return self._text(name)
        return NumberColumn(name, np.concatenate(self.pieces), self.kinds == {"boolean"}, self.infinite)

    def _text(self, name: str) -> TextColumn:
        codes = [p if p.dtype == np.int32 else np.full(len(p), -1, dtype=np.int32) for p in self.pieces]
        return TextColumn(name, np.concatenate(codes), list(self.positions))

    def _position(self, label: object) -> int:
        text = str(label).strip()
        return self.positions.setdefault(text, len(self.positions)) if text not in MISSING_TOKENS else -1

    def _give_up(self, reason: str) -> None:
        """From here on keep one hash per row only, also of what was read so far."""
        if not self.opaque and self.pieces:
            self.row_hashes.append(self._text("").hashes())
        self.opaque = self.opaque or reason
        self.pieces.clear()
        self.positions.clear()

    def _add_hashes(self, piece: "pd.Series[Any]") -> None:
        if piece.dtype == object:  # bytes would be decoded, which may fail
            piece = piece.map(lambda value: repr(value) if isinstance(value, bytes) else value, na_action="ignore")
        codes, labels = pd.factorize(piece.astype(str).str.strip().where(piece.notna()))
        positions = {str(label): code for code, label in enumerate(labels)}
        self.row_hashes.append(TextColumn("", codes.astype(np.int32), list(positions)).hashes())


def _unusable(piece: "pd.Series[Any]") -> str:
    """Why no model can take such values, or ""."""
    if piece.dtype.kind in "Mm":
        return "dates are not used; derive a number from them"
    first = piece.first_valid_index() if piece.dtype == object else None
    value = None if first is None else piece[first]
    if isinstance(value, bytes):
        return "bytes that are no text"
    return "nested values" if isinstance(value, list | dict | np.ndarray) else ""


def _decoded(piece: "pd.Series[Any]") -> "pd.Series[Any]":
    """Bytes as the text that they are in UTF-8 (some writers of Parquet do not tell text from bytes), if all are."""
    try:
        return piece.map(bytes.decode, na_action="ignore")
    except UnicodeDecodeError:
        return piece
