"""Turns a job into a processed data set on disk: fits the statistics, writes the graph, and runs it over every row."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic_files import fsync_dir, write_atomic
from pipeline.core.params import choice_title
from pipeline.core.sentences import lower_first
from pipeline.core.stage import PROFILE_FILE
from pipeline.core.table_profile import Profile
from pipeline.core.temporary import held
from pipeline.features.dataset_writer import write_rows
from pipeline.features.date_fitting import fit_dates
from pipeline.features.date_graph import difference_names
from pipeline.features.expressions import Derived
from pipeline.features.feature_schema import describe_features, profile_columns
from pipeline.features.fitting import NumberFit, fit_numbers, fit_text
from pipeline.features.graph import Prepared, WordFit, derived_graph, prepare_graph
from pipeline.features.job import Job
from pipeline.features.processed_dataset import GRAPH_FILE, META_FILE, Preparation
from pipeline.features.text_fitting import fit_words
from pipeline.ingest.columns import DateColumn, FreeTextColumn, TextColumn
from pipeline.onnx.session import Graph, RawRows

KEPT: Final = 3  # processed sets; older ones are removed
STALE_S: Final = 3600  # after that, an unfinished set is one that a killed process left

Floats = npt.NDArray[np.float32]


def build(job: Job, parent: Path, key: str, warn: Callable[[str], None]) -> Preparation:
    """Write the processed set `parent/key`, whole or not at all, in place of one of the same key."""
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f".new-{key}-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        with held(aside):
            meta = _write(job, aside, warn)
            fsync_dir(aside)
            _replace(aside, parent / key)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_dir(parent)
    _prune(parent)
    return meta


def _write(job: Job, folder: Path, warn: Callable[[str], None]) -> Preparation:
    derived = job.derived()
    words = fit_words(job)
    prepared = _fit(job, derived, words, warn)
    profiles = profile_columns(job)
    meta = Preparation(
        task=job.target.task,
        target=job.target.name,
        classes=job.target.classes,
        class_type=job.target.class_type,
        features=describe_features(job, profiles, {fit.name: fit.words for fit in words}),
        derived=[feature.text for feature in derived],
        outputs=prepared.outputs,
        sources=prepared.sources,
        n_train=int(job.train.sum()),
        n_validation=int(job.split.validation.sum()),
        n_test=int(job.split.test.sum()),
        held_out_from=job.held_out.digest if job.held_out else "",
        delimiter=job.table.delimiter,
    )
    profile = Profile(
        n_rows=job.table.n_rows, n_train=meta.n_train, n_test=meta.n_test, columns=list(profiles.values())
    )
    write_rows(job, prepared, folder)
    write_atomic(folder / GRAPH_FILE, prepared.model)
    write_atomic(folder / PROFILE_FILE, profile.model_dump_json(indent=1).encode())
    write_atomic(folder / META_FILE, meta.model_dump_json(indent=1).encode())
    return meta


def _fit(job: Job, derived: list[Derived], words: list[WordFit], warn: Callable[[str], None]) -> Prepared:
    """Return the graph with the statistics of the training rows."""
    train, numeric = job.train, job.numeric
    derived_values = _derive(job, derived)
    dates, date_values = fit_dates(job)
    n_raw, n_derived = len(numeric), len(derived)
    # A missing date is marked once, at its first feature; a missing text at its number of words.
    firsts, place = set(), n_raw + n_derived
    for fit in dates:
        firsts.update([place] if fit.outputs else [])
        place += len(fit.outputs)
    for i, feature in enumerate(derived):
        if np.isnan(derived_values[:, i]).all():
            warn(f"The derived feature {feature.name!r} has no value in any training row.")

    first_text = place + len(difference_names(dates))
    n_columns = first_text + len(words)
    firsts.update(range(first_text, n_columns))

    def values(i: int) -> Floats:
        if i < n_raw:
            return numeric[i].values[train]
        if i < n_raw + n_derived:
            return derived_values[:, i - n_raw]
        return date_values(i - n_raw - n_derived) if i < first_text else _word_counts(job, words[i - first_text])

    numbers = fit_numbers(n_raw, n_columns, values, job.params, also_indicated=firsts)
    names = [column.name for column in numeric] + [feature.name for feature in derived]
    names += [name for fit in dates for name in fit.outputs] + [name for name, _ in difference_names(dates)]
    names += [fit.count_name for fit in words]
    _warn_of_merged(job, names, numbers, values, warn)
    texts = [
        fit_text(column, train, job.params, place)
        for place, column in enumerate(job.texts)
        if not isinstance(column, DateColumn | FreeTextColumn)
    ]
    return prepare_graph([column.name for column in numeric], derived, numbers, texts, dates=dates, words=words)


def _word_counts(job: Job, fit: WordFit) -> Floats:
    """Return the numbers of words of the training rows, NaN where the text is missing."""
    column = job.texts[fit.place]
    assert isinstance(column, TextColumn)
    counts = [float(len(label.split())) for label in column.labels]
    table = np.array([*counts, np.nan], dtype=np.float32)
    return np.asarray(table[column.codes[job.train]])


def _derive(job: Job, derived: list[Derived]) -> Floats:
    """Return the derived features of the training rows, float32 [n, derived], NaN where missing."""
    train = job.train
    values = np.empty((int(train.sum()), len(derived)), dtype=np.float32)
    if not derived:
        return values
    position = {column.name: i for i, column in enumerate(job.numeric)}
    graph = Graph(derived_graph(len(position), position, derived))
    no_texts = job.text_rows(slice(0, 0))
    done = 0
    for batch in job.batches():
        rows = train[batch]
        n_rows = int(rows.sum())
        values[done : done + n_rows] = graph.run(RawRows(job.numeric_rows(batch)[rows], no_texts))
        done += n_rows
    return values


def _warn_of_merged(
    job: Job,
    names: list[str],
    numbers: NumberFit,
    values: Callable[[int], Floats],
    warn: Callable[[str], None],
) -> None:
    is_linear = job.params.estimator == "linear"
    scaling = lower_first(choice_title(job.params.scaling))
    remedy = "correct them, or use another estimator" if is_linear else "scaled by its quartiles instead"
    for i in numbers.merged:
        largest = float(np.nanmax(np.abs(values(i))))
        warn(
            f"Column {names[i]!r}: under {scaling} scaling, values as large as {largest:.3g} would make "
            f"others equal; {remedy}."
        )


def _replace(new: Path, place: Path) -> None:
    old = place.with_name(f".old-{place.name}-{os.getpid()}")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _prune(parent: Path) -> None:
    """Keep the newest sets, and remove what a killed process left unfinished."""
    modified_at = {folder: folder.stat().st_mtime for folder in parent.iterdir() if folder.is_dir()}
    newest_first = sorted(modified_at, key=modified_at.__getitem__, reverse=True)
    finished = [folder for folder in newest_first if not folder.name.startswith(".")]
    stale = [
        f
        for f in newest_first
        if f.name.startswith(".") and finished and modified_at[finished[0]] - modified_at[f] > STALE_S
    ]
    for folder in finished[KEPT:] + stale:
        shutil.rmtree(folder, ignore_errors=True)
