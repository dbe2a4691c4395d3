"""Turns a typed table into a processed data set on disk: fits, writes the graph, and runs it over every row."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.atomic_files import fsync_dir, write_atomic
from pipeline.core.bundle import Feature, Scalar
from pipeline.core.params import Params
from pipeline.features import processed_dataset
from pipeline.features.expressions import Derived, built_in, parse_all
from pipeline.features.fitting import MAX_CATEGORIES, fit_numbers, fit_text
from pipeline.features.graph import Prepared, derived_graph, prepare_graph
from pipeline.features.processed_dataset import Preparation
from pipeline.features.profile import ColumnProfile, Profile, describe, to_feature
from pipeline.features.selection import Selection
from pipeline.features.split import Split
from pipeline.features.target import Target
from pipeline.ingest.columns import Column, NumberColumn, Table, TextColumn, UnusableColumn
from pipeline.ingest.sample_table import MEANINGS
from pipeline.onnx.session import Graph, RawRows

BATCH_ROWS: Final = 65_536  # what a batch takes stays in the cache, and bounds what the graph needs beside the table
KEPT: Final = 3  # processed sets; older ones are removed

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class HeldOut:
    """The rows of the table that the live model with `digest` was not trained on."""

    rows: npt.NDArray[np.bool_]
    digest: str


@dataclass(frozen=True)
class Job:
    """All that a processed set is made from. The table has only rows with a target, whose values are in `target`."""

    table: Table
    target: Target
    split: Split
    selection: Selection
    params: Params
    held_out: HeldOut | None = None

    @property
    def numeric(self) -> list[NumberColumn]:
        """The features of the graph's numeric input, in order."""
        return [column for column in self.selection.features if isinstance(column, NumberColumn)]

    @property
    def texts(self) -> list[TextColumn]:
        """The features of the graph's categorical input, in order."""
        return [column for column in self.selection.features if isinstance(column, TextColumn)]


def declared_features(job: Job) -> list[Derived]:
    """The derived features that apply. Raises DataError DATA-20, DATA-21 or DATA-22 for a wrong declaration."""
    numeric = [column.name for column in job.numeric]
    if job.params.derived_features is None:
        return [one for one in built_in(numeric) if one.name not in job.table.columns]
    return parse_all(job.params.derived_features, numeric, job.table.columns)


def build(job: Job, parent: Path, key: str, warn: Callable[[str], None]) -> Preparation:
    """Write the processed set `parent/key`, whole or not at all, in place of one of the same key."""
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f".new-{key}-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        meta = _write(job, aside, warn)
        fsync_dir(aside)
        _replace(aside, parent / key)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_dir(parent)
    _prune(parent)
    return meta


def _write(job: Job, folder: Path, warn: Callable[[str], None]) -> Preparation:
    train = ~job.split.test
    derived = declared_features(job)
    made = _fit(job, derived, train, warn)
    profiles = _profiles(job, train)
    features = _features(job, profiles, train)
    meta = Preparation(
        task=job.target.task,
        target=job.target.name,
        classes=job.target.classes,
        class_type=job.target.class_type,
        features=features,
        derived=[one.text for one in derived],
        outputs=made.outputs,
        sources=made.sources,
        n_train=int(train.sum()),
        n_validation=int(job.split.validation.sum()),
        n_test=int(job.split.test.sum()),
        held_out_from=job.held_out.digest if job.held_out else "",
    )
    profile = Profile(
        n_rows=job.table.n_rows, n_train=meta.n_train, n_test=meta.n_test, columns=list(profiles.values())
    )
    _write_rows(job, made, folder)
    write_atomic(folder / processed_dataset.GRAPH_FILE, made.model)
    write_atomic(folder / processed_dataset.PROFILE_FILE, profile.model_dump_json(indent=1).encode())
    write_atomic(folder / processed_dataset.META_FILE, meta.model_dump_json(indent=1).encode())
    return meta


def _fit(job: Job, derived: list[Derived], train: npt.NDArray[np.bool_], warn: Callable[[str], None]) -> Prepared:
    names = [column.name for column in job.numeric]
    made = np.empty((int(train.sum()), len(derived)), dtype=np.float32)
    if derived:
        graph = Graph(derived_graph(len(names), {name: i for i, name in enumerate(names)}, derived))
        done = 0
        for batch in _batches(job.table.n_rows):
            rows = train[batch]
            count = int(rows.sum())
            made[done : done + count] = graph.run(RawRows(_numeric(job, batch)[rows], _texts(job, slice(0, 0))))
            done += count
    for i, one in enumerate(derived):
        if np.isnan(made[:, i]).all():
            warn(f"The derived feature {one.name!r} has no value in any training row.")

    def column(i: int) -> Floats:
        return job.numeric[i].values[train] if i < len(names) else made[:, i - len(names)]

    numbers = fit_numbers(len(names), len(names) + len(derived), column, job.params)
    for i in numbers.merged:
        cure = (
            "mend them, or take another estimator"
            if job.params.estimator == "linear"
            else "scaled by its quartiles instead"
        )
        warn(
            f"Column {[*names, *(one.name for one in derived)][i]!r}: values as large as {_largest(column(i)):.3g} would "
            f"make others equal under {job.params.scaling} scaling; {cure}."
        )
    return prepare_graph(names, derived, numbers, [fit_text(one, train, job.params) for one in job.texts])


def _largest(values: Floats) -> float:
    return float(np.nanmax(np.abs(values)))


def _write_rows(job: Job, made: Prepared, folder: Path) -> None:
    graph = Graph(made.model)
    extra = {
        processed_dataset.TRAIN_FILE: [processed_dataset.TARGET_COLUMN, processed_dataset.VALIDATION_COLUMN],
        processed_dataset.TEST_FILE: [processed_dataset.TARGET_COLUMN],
    }
    target = pa.int64() if job.target.classes else pa.float64()
    kinds = {processed_dataset.TARGET_COLUMN: target, processed_dataset.VALIDATION_COLUMN: pa.bool_()}
    kept = {
        name: column
        for name, column in job.table.columns.items()
        if name != job.target.name and not isinstance(column, UnusableColumn)
    }
    schemas = {
        name: pa.schema([*((o, pa.float32()) for o in made.outputs), *((e, kinds[e]) for e in columns)])
        for name, columns in extra.items()
    }
    raw_schema = pa.schema([*((n, _arrow_type(c)) for n, c in kept.items()), (processed_dataset.TARGET_COLUMN, target)])
    if job.held_out:
        raw_schema = raw_schema.append(pa.field(processed_dataset.HELD_OUT_COLUMN, pa.bool_()))
    schemas[processed_dataset.RAW_TEST_FILE] = raw_schema
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(pq.ParquetWriter(folder / name, schema, use_dictionary=False, compression="lz4"))
            for name, schema in schemas.items()
        }
        for batch in _batches(job.table.n_rows):
            prepared = graph.run(RawRows(_numeric(job, batch), _texts(job, batch)))
            test, validation, values = job.split.test[batch], job.split.validation[batch], job.target.values[batch]
            for name, rows in ((processed_dataset.TRAIN_FILE, ~test), (processed_dataset.TEST_FILE, test)):
                side = prepared[rows]
                arrays = [pa.array(np.ascontiguousarray(side[:, i])) for i in range(side.shape[1])]
                arrays += [pa.array(values[rows]), pa.array(validation[rows])][: len(extra[name])]
                writers[name].write_table(pa.Table.from_arrays(arrays, schema=schemas[name]))
            raw = [*(_arrow(column, batch, test) for column in kept.values()), pa.array(values[test])]
            if job.held_out:
                raw.append(pa.array(job.held_out.rows[batch][test]))
            writers[processed_dataset.RAW_TEST_FILE].write_table(pa.Table.from_arrays(raw, schema=raw_schema))


def _profiles(job: Job, train: npt.NDArray[np.bool_]) -> dict[str, ColumnProfile]:
    profiles = {}
    for name, column in job.table.columns.items():
        reason = job.selection.dropped.get(name, "")
        role = "target" if name == job.target.name else "dropped" if name in job.selection.dropped else "feature"
        profiles[name] = describe(column, train, role, reason)  # type: ignore[arg-type]  # one of three literals
    return profiles


def _features(job: Job, profiles: dict[str, ColumnProfile], train: npt.NDArray[np.bool_]) -> list[Feature]:
    """With one training row as example, if possible one in which nothing is missing."""
    candidates = np.flatnonzero(train)[:20_000]
    gaps = np.zeros(len(candidates), dtype=np.int64)
    for column in job.selection.features:
        gaps += _is_missing(column, candidates)
    row = int(candidates[int(np.argmin(gaps))])
    features = [to_feature(profiles[one.name], _example(one, row), MAX_CATEGORIES) for one in job.selection.features]
    if not job.table.columns.keys() >= MEANINGS.keys():
        return features
    told = {name: {"unit": unit, "description": meaning} for name, (unit, meaning) in MEANINGS.items()}
    return [feature.model_copy(update=told.get(feature.name, {})) for feature in features]


def _example(column: NumberColumn | TextColumn, row: int) -> Scalar:
    if isinstance(column, TextColumn):
        code = int(column.codes[row])
        return column.labels[code] if code >= 0 else None
    value = float(column.values[row])
    if np.isnan(value):
        return None
    if column.boolean:
        return bool(value)
    # The shortest number that is the same float32: 0.1, not 0.10000000149.
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(str(column.values[row]))


def _is_missing(column: NumberColumn | TextColumn, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    missing = column.codes[rows] < 0 if isinstance(column, TextColumn) else np.isnan(column.values[rows])
    return np.asarray(missing)


def _batches(n_rows: int) -> list[slice]:
    return [slice(start, min(start + BATCH_ROWS, n_rows)) for start in range(0, n_rows, BATCH_ROWS)]


def _numeric(job: Job, batch: slice) -> Floats:
    values = np.empty((batch.stop - batch.start, len(job.numeric)), dtype=np.float32)
    for i, column in enumerate(job.numeric):
        values[:, i] = column.values[batch]
    return values


def _texts(job: Job, batch: slice) -> Texts:
    values = np.empty((batch.stop - batch.start, len(job.texts)), dtype=object)
    for i, column in enumerate(job.texts):
        values[:, i] = np.array([*column.labels, ""], dtype=object)[column.codes[batch]]
    return values


def _arrow_type(column: Column) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if isinstance(column, TextColumn) else pa.float32()


def _arrow(column: Column, batch: slice, rows: npt.NDArray[np.bool_]) -> pa.Array:
    if isinstance(column, TextColumn):
        codes = column.codes[batch][rows]
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(column.labels, pa.string()))
    assert isinstance(column, NumberColumn)
    return pa.array(column.values[batch][rows])


def _replace(new: Path, place: Path) -> None:
    old = place.with_name(f".old-{place.name}-{os.getpid()}")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _prune(parent: Path) -> None:
    """Keep the newest sets, and remove what a killed process left half-written more than an hour ago."""
    folders = sorted((f for f in parent.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
    whole = [folder for folder in folders if not folder.name.startswith(".")]
    stale = [
        f for f in folders if f.name.startswith(".") and whole and whole[0].stat().st_mtime - f.stat().st_mtime > 3600
    ]
    for folder in whole[KEPT:] + stale:
        shutil.rmtree(folder, ignore_errors=True)
