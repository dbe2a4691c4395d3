"""Second stage: reads and validates `data/raw`, splits it, fits the preparation and writes `data/processed/<key>/`."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection
from typing import Final

import numpy as np

from pipeline.core.events import Events
from pipeline.core.manifest import Manifest
from pipeline.core.problems import DataError
from pipeline.core.sentences import listed, plural
from pipeline.core.stage import DataResult, SeedResult, StageContext, read_result
from pipeline.features import compatibility, leakage, preprocess, selection
from pipeline.features.duplicates import duplicates
from pipeline.features.job import HeldOut, Job
from pipeline.features.processed_dataset import Preparation
from pipeline.features.split import Mask, check_split, row_hashes, split
from pipeline.features.target import Target, guess_warning, infer_name, resolve
from pipeline.ingest import sources, tables
from pipeline.ingest.columns import FeatureColumn, Hashes, Table, UnusableColumn, take
from pipeline.stages.problems import DataChangedError
from pipeline.stages.step_timer import StepTimer

STEPS: Final = ("reading", "checking", "preparing")
MAX_COLUMNS_LISTED: Final = 20  # columns with missing values that are logged one by one
MAX_CLASSES_LISTED: Final = 12
MAX_FILES_LISTED: Final = 20
MAX_WORDS_LISTED: Final = 5
PROMINENT_SHARE: Final = 0.05  # of the rows; if more lack the target, the share is said, too


def run(ctx: StageContext, events: Events) -> DataResult:
    """Write the processed set of this run and return what it holds.

    Raises DataError with the rule that the table breaks; nothing is left in `data/processed` then.
    """
    seed_result = read_result(ctx.run_dir, "set_seed", SeedResult)
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        events.warning(text)

    timer = StepTimer(events, STEPS)
    with timer.step("reading"):
        table = _read_table(ctx, seed_result.data_digest, events)
        for warning in table.warnings:
            warn(warning)
    with timer.step("checking"):
        job = _checked_job(ctx, table, events, warn)
        del table  # where rows lack a target, the job has a copy without them: do not hold both
    with timer.step("preparing"):
        folder = ctx.data_dir / "processed"
        key = _dataset_key(seed_result)
        meta = preprocess.build(job, folder, key, warn)
        _log_outcome(meta, key, events)
    events.progress(len(STEPS), len(STEPS), "done")
    return DataResult(
        processed_dir=folder / key,
        task=meta.task,
        target=meta.target,
        n_rows=job.table.n_rows,
        n_train=meta.n_train,
        n_test=meta.n_test,
        n_columns=len(job.table.columns),
        n_features=len(meta.features),
        classes=meta.classes,
        dropped=job.selection.dropped,
        target_is_guess=not ctx.params.target and bool(guess_warning(meta.target, job.table.columns)),
        leakage={name: how.replace("{}", meta.target) for name, how in job.leakage.items()},
        champion_leakage={name: how.replace("{}", meta.target) for name, how in job.champion_leakage.items()},
        warnings=warnings,
    )


def _read_table(ctx: StageContext, data_digest: str, events: Events) -> Table:
    """Return the table in `data/raw`. Raises DataChangedError if its files no longer have the digest."""
    paths = sources.find(ctx.data_dir / "raw")
    processed = ctx.data_dir / "processed"
    processed.mkdir(parents=True, exist_ok=True)
    table = tables.read(
        paths,
        ctx.max_table_cells,
        options=ctx.params.columns,
        target=lambda names: _likely_target(names, ctx.params.target),
        scratch=processed,
        sheet=ctx.params.sheet,
    )
    if sources.digest(paths)[0] != data_digest:
        raise DataChangedError
    events.log(
        f"{table.n_rows:,} rows, {len(table.columns)} columns from {listed([path.name for path in paths], MAX_FILES_LISTED)}"
    )
    for note in table.notes:
        events.log(note)
    return table


def _likely_target(names: list[str], chosen: str | None) -> str:
    """Return the column that will be the target, "" if that is not clear yet: the checks say so."""
    try:
        return infer_name(names, chosen)
    except DataError:
        return ""


def _checked_job(ctx: StageContext, table: Table, events: Events, warn: Callable[[str], None]) -> Job:
    """Return the rows that have a target, the set of each, and the features. Raises DataError if no model can be made."""
    name = infer_name(table.columns, ctx.params.target)
    if not ctx.params.target and (guess := guess_warning(name, table.columns)):
        warn(guess)
    target = resolve(table, name, ctx.params.task)
    champion = compatibility.live_model(ctx.models_dir)
    if champion is not None:
        for warning in compatibility.check_against(champion, table, target, ctx.params):
            warn(warning)
    table = _with_target(table, target, warn)
    _log_target(target, events)
    # The hash covers every column, used or not, so that other parameters do not move a row to another set.
    hashes = row_hashes(table.columns.values(), table.n_rows)
    chosen = split(hashes, ctx.params.test_share)
    held_out = _held_out(champion, table, hashes, chosen.test, ctx.params.test_share) if champion is not None else None
    for warning in check_split(chosen, hashes, target.codes, target.classes):
        warn(warning)
    selected = selection.select(table, target.name, ctx.params.ignore, ~chosen.test)
    suspects = leakage.find_leakage(selected.features, target, ~chosen.test)
    given_up = [] if champion is None else _given_up(champion, table, ctx.params.ignore)
    champion_suspects = leakage.find_leakage(given_up, target, ~chosen.test)
    for warning in selected.warnings + leakage.warnings(suspects, target.name):
        warn(warning)
    _log_missing(selected.features, table.n_rows, events)
    for sentence in duplicates(table, hashes):
        events.log(sentence)
    return Job(table, target, chosen, selected, ctx.params, held_out, suspects, champion_suspects)


def _given_up(champion: Manifest, table: Table, ignored: Collection[str]) -> list[FeatureColumn]:
    """Return the features of the live model that are ignored now."""
    names = [feature.name for feature in champion.features if feature.name in ignored]
    columns = [table.columns[name] for name in names if name in table.columns]
    return [column for column in columns if not isinstance(column, UnusableColumn)]


def _held_out(champion: Manifest, table: Table, hashes: Hashes, test: Mask, test_share: float) -> HeldOut | None:
    """Return the rows that the live model was not trained on; None if it was on none of `test`, or if it is unknown."""
    rows = compatibility.held_out_rows(champion, table, hashes, test_share)
    if rows is None or rows[test].all():
        return None
    return HeldOut(rows, champion.digest)


def _dataset_key(seed_result: SeedResult) -> str:
    """Return the folder name of the processed set: a digest of everything that it depends on."""
    parts = [seed_result.data_digest, seed_result.params_digest, seed_result.code_digest, seed_result.versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _with_target(table: Table, target: Target, warn: Callable[[str], None]) -> Table:
    n_missing = int((~target.present).sum())
    if n_missing == 0:
        return table
    report = table.reports.get(target.name)
    words = [f"{word.value!r} {word.count:,} times" for word in (report.missing if report else [])]
    shown = f" (read as missing: {listed(words, MAX_WORDS_LISTED)})" if words else ""
    how = f" To keep a word as a class, name it in columns.{target.name}.kept." if words else ""
    share = f", {n_missing / table.n_rows:.0%} of all," if n_missing > PROMINENT_SHARE * table.n_rows else ""
    verb = "is" if n_missing == 1 else "are"
    warn(f"{plural(n_missing, 'row')}{share} without a value in {target.name!r}{shown} {verb} left out.{how}")
    columns = {name: take(column, target.present) for name, column in table.columns.items()}
    return dataclasses.replace(table, columns=columns, n_rows=table.n_rows - n_missing, exact_target=None)


def _log_target(target: Target, events: Events) -> None:
    for remark in target.remarks:
        events.log(f"Target {target.name!r}: {remark}")
    codes = target.codes
    if codes is None:
        low, high = target.values.min(), target.values.max()
        events.log(f"Target {target.name!r}: {target.task}, from {low:g} to {high:g}, mean {target.values.mean():g}")
        return
    counts = np.bincount(codes, minlength=len(target.classes))
    shares = [f"{name}: {n:,} ({n / len(codes):.2%})" for name, n in zip(target.classes, counts, strict=True)]
    events.log(f"Target {target.name!r}: {target.task}, {listed(shares, MAX_CLASSES_LISTED)}")


def _log_missing(features: list[FeatureColumn], n_rows: int, events: Events) -> None:
    """Log the columns with the most missing values, most first."""
    counts = [(int((~f.present).sum()), f.name) for f in features]
    incomplete = sorted((column for column in counts if column[0]), key=lambda column: -column[0])
    for count, name in incomplete[:MAX_COLUMNS_LISTED]:
        events.log(f"Column {name!r}: {plural(count, 'value')} missing ({count / n_rows:.1%})")
    if len(incomplete) > MAX_COLUMNS_LISTED:
        events.log(f"{len(incomplete) - MAX_COLUMNS_LISTED} more columns have missing values")


def _log_outcome(meta: Preparation, key: str, events: Events) -> None:
    events.log(
        f"{meta.n_train:,} training rows ({meta.n_validation:,} of them for validation), {meta.n_test:,} test rows; "
        f"{plural(len(meta.features), 'feature')}, prepared as {plural(len(meta.outputs), 'column')}"
    )
    for feature in meta.derived:
        events.log(f"Derived: {feature}")
    events.log(f"Wrote data/processed/{key}")
