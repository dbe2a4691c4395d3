"""Second stage: reads and validates `data/raw`, splits it, fits the preparation and writes `data/processed/<key>/`."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.bundle import Manifest
from pipeline.core.events import Events
from pipeline.core.stage import DataResult, SeedResult, StageContext, read_result
from pipeline.features import compatibility, preprocess, selection
from pipeline.features.job import HeldOut, Job
from pipeline.features.leakage import target_leakage
from pipeline.features.processed_dataset import Preparation
from pipeline.features.split import check_split, row_hashes, split
from pipeline.features.target import Target, infer_name, resolve
from pipeline.ingest import sources, tables
from pipeline.ingest.columns import Column, Hashes, NumberColumn, Table, TextColumn
from pipeline.stages.problems import DataChangedError

STEPS: Final = 4
MAX_GAPS: Final = 20  # columns with missing values that are told one by one


def run(ctx: StageContext, events: Events) -> DataResult:
    """Raises DataError, with the rule that the table breaks; nothing is left in `data/processed` then."""
    seed = read_result(ctx.run_dir, "set_seed", SeedResult)
    said: list[str] = []

    def warn(text: str) -> None:
        said.append(text)
        events.warning(text)

    events.progress(0, STEPS, "reading")
    paths = sources.find(ctx.data_dir / "raw")
    table = tables.read(paths)
    if sources.digest(paths)[0] != seed.data_digest:
        raise DataChangedError
    events.log(f"{table.n_rows:,} rows, {len(table.columns)} columns from {', '.join(path.name for path in paths)}")
    for note in table.notes:
        events.log(note)
    for warning in table.warnings:
        warn(warning)

    events.progress(1, STEPS, "checking")
    n_columns = len(table.columns)
    name = infer_name(table.columns, ctx.params.target)
    target = resolve(table, name, ctx.params.task)
    champion = compatibility.live_model(ctx.models_dir)
    if champion is not None:
        for remark in compatibility.check_against(champion, table, target, ctx.params):
            warn(remark)
    table = _with_target(table, target, warn)
    _log_target(target, events)

    # The hash covers every column, whatever becomes a feature: other parameters do not move a row to the other side.
    hashes = row_hashes(table.columns.values(), table.n_rows)
    sides = split(hashes, ctx.params.test_share)
    held_out = _held_out(champion, table, hashes, ctx.params.test_share) if champion is not None else None
    for remark in check_split(sides, hashes, target.codes, target.classes):
        warn(remark)
    chosen = selection.select(table, name, ctx.params.ignore, ~sides.test)
    for warning in chosen.warnings + target_leakage(chosen.features, target, ~sides.test):
        warn(warning)
    _log_gaps(chosen.features, table.n_rows, events)

    events.progress(2, STEPS, "preparing")
    folder = ctx.data_dir / "processed"
    key = _key(seed)
    meta = preprocess.build(Job(table, target, sides, chosen, ctx.params, held_out), folder, key, warn)
    _log_outcome(meta, key, events)
    events.progress(STEPS, STEPS, "done")
    return DataResult(
        processed_dir=folder / key,
        task=meta.task,
        target=name,
        n_rows=table.n_rows,
        n_train=meta.n_train,
        n_test=meta.n_test,
        n_columns=n_columns,
        n_features=len(meta.features),
        classes=meta.classes,
        dropped=chosen.dropped,
        warnings=said,
    )


def _held_out(champion: Manifest, table: Table, hashes: Hashes, test_share: float) -> HeldOut | None:
    """None where the live model was trained on none of the test rows, or nobody can tell."""
    rows = compatibility.held_out_rows(champion, table, hashes, test_share)
    if rows is None or rows[split(hashes, test_share).test].all():
        return None
    return HeldOut(rows, champion.digest)


def _key(seed: SeedResult) -> str:
    """What the processed set depends on, as a folder name."""
    parts = [seed.data_digest, seed.params_digest, seed.code_digest, seed.versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _with_target(table: Table, target: Target, warn: Callable[[str], None]) -> Table:
    lacking = int((~target.present).sum())
    if lacking == 0:
        return table
    warn(f"{lacking:,} rows have no {target.name!r}; left out.")
    columns = {name: _rows(column, target.present) for name, column in table.columns.items()}
    return dataclasses.replace(table, columns=columns, n_rows=table.n_rows - lacking)


def _rows(column: Column, rows: npt.NDArray[np.bool_]) -> Column:
    if isinstance(column, NumberColumn):
        return dataclasses.replace(column, values=column.values[rows])
    if isinstance(column, TextColumn):
        return dataclasses.replace(column, codes=column.codes[rows])
    return dataclasses.replace(column, row_hashes=column.row_hashes[rows])


def _log_target(target: Target, events: Events) -> None:
    codes = target.codes
    if codes is None:
        low, high = target.values.min(), target.values.max()
        events.log(f"Target {target.name!r}: {target.task}, from {low:g} to {high:g}, mean {target.values.mean():g}")
        return
    counts = np.bincount(codes, minlength=len(target.classes))
    shares = [f"{name}: {n:,} ({n / len(codes):.2%})" for name, n in zip(target.classes, counts, strict=True)]
    more = [f"and {len(shares) - 12} more"] if len(shares) > 12 else []
    events.log(f"Target {target.name!r}: {target.task}, {', '.join(shares[:12] + more)}")


def _log_gaps(features: list[NumberColumn | TextColumn], n_rows: int, events: Events) -> None:
    """The columns with the most missing values, most first."""
    gaps = [(int((np.isnan(f.values) if isinstance(f, NumberColumn) else f.codes < 0).sum()), f.name) for f in features]
    found = sorted((gap for gap in gaps if gap[0]), key=lambda gap: -gap[0])
    for count, name in found[:MAX_GAPS]:
        events.log(f"Column {name!r}: {count:,} values missing ({count / n_rows:.1%})")
    if len(found) > MAX_GAPS:
        events.log(f"{len(found) - MAX_GAPS} more columns have missing values")


def _log_outcome(meta: Preparation, key: str, events: Events) -> None:
    events.log(
        f"{meta.n_train:,} rows to train ({meta.n_validation:,} of them to validate), {meta.n_test:,} to test; "
        f"{len(meta.features)} features become {len(meta.outputs)} columns"
    )
    for one in meta.derived:
        events.log(f"Derived: {one}")
    events.log(f"Wrote data/processed/{key}")
