"""Compares a new table with the one that the live model was trained on."""

from pathlib import Path
from typing import Final

import numpy as np

from pipeline.core.bundle import Manifest, bundle_dir, read_manifest, read_pointer
from pipeline.core.params import Params
from pipeline.core.problems import BundleError
from pipeline.core.sentences import listed
from pipeline.features.problems import LostColumnsError
from pipeline.features.split import Mask, row_hashes, test_mask
from pipeline.features.target import Target
from pipeline.ingest.columns import Column, Hashes, NumberColumn, Table

MAX_LISTED: Final = 8


def live_model(models_dir: Path) -> Manifest | None:
    """Return the manifest of the live model; None before the first, or if it is unreadable (training reports that)."""
    try:
        pointer = read_pointer(models_dir)
        return read_manifest(bundle_dir(models_dir, pointer), pointer.sha256) if pointer else None
    except BundleError:
        return None


def check_against(champion: Manifest, table: Table, target: Target, params: Params) -> list[str]:
    """Return warnings about what is new since the live model was trained.

    Raises DataError DATA-16 where a column that it uses is gone or changed between number and text, unless it is
    ignored by name. A table with another target, or with few columns of the live model among more new ones, is
    another table: that is allowed, with a warning.
    """
    was_text = {feature.name: feature.kind == "categorical" for feature in champion.features}
    known = [name for name in was_text if name in table.columns]
    new = [name for name in table.columns if name not in {*was_text, *champion.left_out, target.name}]
    # Two tables may well share a target called "target" and a column called "age".
    is_other = 2 * len(known) < len(was_text) and len(new) > len(known)
    if champion.target != target.name or is_other:
        return [f"This is a different table from that of the live model (version {champion.version})."]
    gone = [name for name in was_text if name not in table.columns and name not in params.ignore]
    changed = [
        f"{name!r} was {'text' if was_text[name] else 'a number'}"
        for name in known
        if name not in params.ignore and _is_text(table.columns[name], before=was_text[name]) != was_text[name]
    ]
    if params.task == "auto" and target.task != champion.task:
        changed.append(f"the target {target.name!r} was {champion.task} and now is {target.task}")
    if gone or changed:
        raise LostColumnsError(champion.version, gone, changed)
    warnings = [f"New since the live model: {listed([*map(repr, new)], MAX_LISTED)}."] if new else []
    lost = [column for column in champion.left_out if column not in table.columns]
    if lost and len(known) == len(was_text):
        warnings.append(
            f"Without {listed([*map(repr, lost)], MAX_LISTED)} it is unknown which rows the live model was trained on: "
            "the comparison may favour it."
        )
    return warnings


def held_out_rows(champion: Manifest, table: Table, hashes: Hashes, test_share: float) -> Mask | None:
    """Return the rows that the live model was not trained on: its own test rows. None if a column that it knew is gone,
    so that its split cannot be repeated. `hashes` are those of the whole table.

    A new column re-splits the rows, and a larger test share takes rows that were trained on: compared on those, the
    live model would win by what it memorised.
    """
    columns = {feature.name for feature in champion.features}.union(champion.left_out)
    if not columns <= table.columns.keys():
        return None
    if columns != table.columns.keys():
        hashes = row_hashes([table.columns[name] for name in columns], table.n_rows)
    return test_mask(hashes, test_share if champion.test_share is None else champion.test_share)


def _is_text(column: Column, before: bool) -> bool:
    """Return True if a column is text now; one without any value counts as what it was before."""
    if isinstance(column, NumberColumn) and bool(np.isnan(column.values).all()):
        return before
    return not isinstance(column, NumberColumn)
