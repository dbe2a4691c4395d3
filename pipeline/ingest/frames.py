"""Reads a raw file in pieces, as data frames, so that millions of rows stay within memory."""

import warnings
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.cells import MISSING_TOKENS
from pipeline.core.memory import is_out_of_memory
from pipeline.ingest.headers import Source
from pipeline.ingest.problems import UnreadableFileError
from pipeline.ingest.text_problems import EncodingError, RowLengthError

CHUNK_ROWS: Final = 262_144
CHUNK_CELLS: Final = (
    2**25
)  # fewer rows at a time where a table is wide: text takes some 60 bytes a cell until it is coded


def read_frames(source: Source, text_columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows in pieces, named columns only; with `text_columns`, only these, as they are written.

    Raises DataError DATA-04, DATA-06 or DATA-09 where the file turns out to be damaged.
    """
    return _csv_frames(source, text_columns) if source.format == "csv" else _parquet_frames(source, text_columns)


def _csv_frames(source: Source, text_columns: list[str] | None) -> Iterator[pd.DataFrame]:
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
                usecols=text_columns,
                dtype=None if text_columns is None else str,
                na_values=list(MISSING_TOKENS),
                keep_default_na=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
                chunksize=_chunk_rows(source),
            ) as reader:
                yield from reader
        except UnicodeDecodeError as error:
            raise EncodingError(source.path, error) from error
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            if is_out_of_memory(error):
                raise
            raise RowLengthError(source.path, len(source.columns), _reason(error)) from error


def _parquet_frames(source: Source, text_columns: list[str] | None) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(source.path) as file:
            stored = {name.strip(): name for name in file.schema_arrow.names}
            new_names = {stored[name]: name for name in text_columns or source.names}
            for batch in file.iter_batches(_chunk_rows(source), columns=list(new_names), use_threads=False):
                # As text, a whole number beside a gap is "3", not "3.0".
                frame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=text_columns is not None)
                frame = frame.rename(columns=new_names)
                for column in batch.schema:
                    name = new_names.get(column.name)
                    if name and (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
                        frame[name] = _decode(frame[name])
                yield frame if text_columns is None else frame.map(str, na_action="ignore")
    except (pa.ArrowException, OSError) as error:
        if is_out_of_memory(error):
            raise
        raise UnreadableFileError.damaged_parquet(source.path, _reason(error)) from error


def _chunk_rows(source: Source) -> int:
    return max(1, min(CHUNK_ROWS, CHUNK_CELLS // len(source.columns)))


def _decode(piece: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return bytes as UTF-8 text if all of them are: some writers of Parquet do not mark text as text."""
    try:
        return piece.map(bytes.decode, na_action="ignore")
    except UnicodeDecodeError:
        return piece


def _reason(error: Exception) -> str:
    return f"{error}".strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ") + "."
