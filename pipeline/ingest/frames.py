"""Reads a raw file in pieces, as data frames, so that millions of rows stay within memory."""

import csv
import warnings
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.cells import MISSING_TOKENS
from pipeline.core.disk import is_of_disk
from pipeline.core.memory import is_out_of_memory
from pipeline.ingest.headers import Source
from pipeline.ingest.problems import UnreadableFileError
from pipeline.ingest.text_problems import EncodingError, RowLengthError

_MISSING: Final = [*MISSING_TOKENS]
CHUNK_ROWS: Final = 262_144
CHUNK_CELLS: Final = (
    2**25
)  # fewer rows at a time where a table is wide: text takes some 60 bytes a cell until it is coded


def read_frames(source: Source, text_columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows in pieces, named columns only; with `text_columns`, only these, as they are written.

    Cells of `source.text_columns` come as they are written, words for missing included, but for pieces without any word.

    Raises DataError DATA-04, DATA-06 or DATA-09 where the file turns out to be damaged.
    """
    return _csv_frames(source, text_columns) if source.format == "csv" else _parquet_frames(source, text_columns)


def _csv_frames(source: Source, text_columns: list[str] | None) -> Iterator[pd.DataFrame]:
    names = [name if name is not None else "\0" for name in source.columns]
    as_written = source.text_columns if text_columns is None else frozenset(text_columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            with pd.read_csv(
                source.path,
                sep=source.delimiter,
                decimal=source.decimal,
                compression=None,  # a file keeps its name when it is unpacked
                skiprows=source.skip,
                header=0,
                quoting=csv.QUOTE_MINIMAL if source.is_quoted else csv.QUOTE_NONE,
                names=names,
                index_col=False,
                usecols=text_columns,
                # Not for all of `as_written`: pandas takes texts that it finds itself twice as fast.
                dtype=dict.fromkeys(text_columns or (), "str"),
                na_values={name: _MISSING for name in names if name not in as_written},
                keep_default_na=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
                chunksize=_chunk_rows(source),
            ) as reader:
                for frame in reader:
                    yield frame if source.is_quoted else _without_quotes(frame)
        except UnicodeDecodeError as error:
            raise EncodingError(source.path, error) from error
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            if is_out_of_memory(error):
                raise
            raise RowLengthError(source.path, len(source.columns), _reason(error)) from error


def _without_quotes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a file in which quotes are plain characters, without those around a cell."""
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    return frame.assign(**{name: frame[name].str.strip().str.strip('"') for name in texts})


def _parquet_frames(source: Source, text_columns: list[str] | None) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(source.path) as file:
            stored = {name.strip(): name for name in flat_names(file.schema_arrow)}
            new_names = {stored[name]: name for name in text_columns or source.names}
            # A column is read with all of its members, or by its name as it stands in the file.
            is_nested = stored.keys() != {name.strip() for name in file.schema_arrow.names}
            columns = None if is_nested else list(new_names)
            for batch in file.iter_batches(_chunk_rows(source), columns=columns, use_threads=False):
                rows = _flattened(pa.Table.from_batches([batch])).select(list(new_names))
                # As text, a whole number beside a gap is "3", not "3.0".
                frame = rows.to_pandas(ignore_metadata=True, integer_object_nulls=text_columns is not None)
                frame = frame.rename(columns=new_names)
                for column in rows.schema:
                    name = new_names.get(column.name)
                    if name and (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
                        frame[name] = _decode(frame[name])
                yield frame if text_columns is None else frame.map(str, na_action="ignore")
    except (pa.ArrowException, OSError, ValueError, OverflowError, NotImplementedError) as error:
        # The last three: times that Python has no objects for, such as 24:00 and the year 2,941,775.
        if is_out_of_memory(error) or is_of_disk(error):
            raise
        raise UnreadableFileError.damaged_parquet(source.path, _reason(error)) from error


def flat_names(schema: pa.Schema) -> list[str]:
    """Return the names of the columns, with the members of nested ones as `a.b`."""
    names: list[str] = _flattened(schema.empty_table()).column_names
    return names


def _flattened(rows: pa.Table) -> pa.Table:
    while any(pa.types.is_struct(kind) for kind in rows.schema.types):
        rows = rows.flatten()
    return rows


def _chunk_rows(source: Source) -> int:
    return max(1, min(CHUNK_ROWS, CHUNK_CELLS // len(source.columns)))


def _decode(piece: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return bytes as UTF-8 text if all of them are: some writers of Parquet do not mark text as text."""
    try:
        return piece.map(bytes.decode, na_action="ignore")
    except UnicodeDecodeError:
        return piece


def _reason(error: Exception) -> str:
    text = f"{error}".strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ").rstrip(".")
    if text.startswith("Length of header or names"):
        text = "All rows have a value more than the header, or most of them; a decimal comma without quotes is one, too"
    return f"{text}."
