"""Writes the rows of a processed data set: runs the preparation graph over the table in batches, into Parquet files."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.features.graph import Prepared
from pipeline.features.job import Job
from pipeline.features.processed_dataset import (
    HELD_OUT_COLUMN,
    RAW_TEST_FILE,
    TARGET_COLUMN,
    TEST_FILE,
    TRAIN_FILE,
    VALIDATION_COLUMN,
)
from pipeline.ingest.columns import Column, DateColumn, FreeTextColumn, NumberColumn, TextColumn, UnusableColumn
from pipeline.onnx.session import Graph, RawRows


def write_rows(job: Job, prepared: Prepared, folder: Path) -> None:
    """Write the prepared training and test rows, and the raw test rows, into `folder`."""
    graph = Graph(prepared.model)
    raw_columns = _raw_columns(job)
    dictionaries = {
        name: pa.array(column.labels, pa.string())
        for name, column in raw_columns.items()
        if isinstance(column, TextColumn) and not isinstance(column, FreeTextColumn)
    }
    schemas = _schemas(job, prepared.outputs, raw_columns)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(pq.ParquetWriter(folder / name, schema, use_dictionary=False, compression="lz4"))
            for name, schema in schemas.items()
        }
        for batch in job.batches():
            X = graph.run(RawRows(job.numeric_rows(batch), job.text_rows(batch)))
            test, validation, target = job.split.test[batch], job.split.validation[batch], job.target.values[batch]
            train = ~test
            arrays = {
                TRAIN_FILE: [*_column_arrays(X[train]), pa.array(target[train]), pa.array(validation[train])],
                TEST_FILE: [*_column_arrays(X[test]), pa.array(target[test])],
                RAW_TEST_FILE: [
                    *(_raw_array(c, batch, test, dictionaries) for c in raw_columns.values()),
                    pa.array(target[test]),
                ],
            }
            if job.held_out:
                arrays[RAW_TEST_FILE].append(pa.array(job.held_out.rows[batch][test]))
            for name, writer in writers.items():
                writer.write_table(pa.Table.from_arrays(arrays[name], schema=schemas[name]))


def _raw_columns(job: Job) -> dict[str, Column]:
    """Return the columns that a model could use, also those that this one drops: an older model may need them."""
    return {
        name: column
        for name, column in job.table.columns.items()
        if name != job.target.name and not isinstance(column, UnusableColumn)
    }


def _schemas(job: Job, outputs: list[str], raw_columns: dict[str, Column]) -> dict[str, pa.Schema]:
    """Return the schema of each file."""
    target = (TARGET_COLUMN, pa.int64() if job.target.classes else pa.float64())
    prepared = [(name, pa.float32()) for name in outputs]
    raw = [(name, _raw_type(column)) for name, column in raw_columns.items()]
    held_out = [(HELD_OUT_COLUMN, pa.bool_())] if job.held_out else []
    return {
        TRAIN_FILE: pa.schema([*prepared, target, (VALIDATION_COLUMN, pa.bool_())]),
        TEST_FILE: pa.schema([*prepared, target]),
        RAW_TEST_FILE: pa.schema([*raw, target, *held_out]),
    }


def _column_arrays(X: npt.NDArray[np.float32]) -> list[pa.Array]:
    return [pa.array(np.ascontiguousarray(X[:, i])) for i in range(X.shape[1])]


def _raw_type(column: Column) -> pa.DataType:
    if isinstance(column, DateColumn | FreeTextColumn):
        return pa.string()
    return pa.dictionary(pa.int32(), pa.string()) if isinstance(column, TextColumn) else pa.float32()


def _raw_array(
    column: Column, batch: slice, rows: npt.NDArray[np.bool_], dictionaries: dict[str, pa.Array]
) -> pa.Array:
    if isinstance(column, FreeTextColumn):
        # As it is written: an older model may read it as a category.
        codes = column.codes[batch][rows].tolist()
        return pa.array([column.written[code] if code >= 0 else None for code in codes], pa.string())
    if isinstance(column, TextColumn):
        codes = column.codes[batch][rows]
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), dictionaries[column.name])
    if isinstance(column, DateColumn):
        return pa.array(column.texts(batch)[rows], pa.string())
    assert isinstance(column, NumberColumn)
    return pa.array(column.values[batch][rows])
