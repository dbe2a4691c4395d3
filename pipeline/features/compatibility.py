"""Compares a new table with the one that the live model was trained on."""

from pathlib import Path
from typing import Final

import numpy as np

from pipeline.core.bundle import bundle_dir, read_manifest
from pipeline.core.ledger import live_pointer
from pipeline.core.manifest import Manifest
from pipeline.core.params import Params
from pipeline.core.problems import BundleError
from pipeline.core.sentences import listed
from pipeline.features.problems import LostColumnsError
from pipeline.features.split import Mask, row_hashes, test_mask
from pipeline.features.target import Target
from pipeline.ingest.columns import Column, DateColumn, Hashes, NumberColumn, Table

MAX_LISTED: Final = 8
_KINDS: Final = {"categorical": "text", "text": "text", "date": "a date"}


def live_model(models_dir: Path) -> Manifest | None:
    """Return the manifest of the live model; None before the first, or if it is unreadable (training reports that)."""
    try:
        pointer = live_pointer(models_dir)
        return read_manifest(bundle_dir(models_dir, pointer), pointer.sha256) if pointer else None
    except BundleError:
        return None


def check_against(champion: Manifest, table: Table, target: Target, params: Params) -> list[str]:
    """Return warnings about what is new since the live model was trained.

    Raises DataError DATA-16 where a column that it uses is gone or changed between number and text, unless it is
    ignored by name. A table with another target, or with few columns of the live model among more new ones, is
    another table: that is allowed, with a warning.
    """
    kind_was = {feature.name: _KINDS.get(feature.kind, "a number") for feature in champion.features}
    known = [name for name in kind_was if name in table.columns]
    new = [name for name in table.columns if name not in {*kind_was, *champion.left_out, target.name}]
    # Two tables may well share a target called "target" and a column called "age".
    is_other = 2 * len(known) < len(kind_was) and len(new) > len(known)
    if champion.target != target.name or is_other:
        return [f"This is a different table from that of the live model (version {champion.version})."]
    gone = [name for name in kind_was if name not in table.columns and name not in params.ignore]
    changed = [
        f"{name!r} was {kind_was[name]}"
        for name in known
        if name not in params.ignore and _kind(table.columns[name], before=kind_was[name]) != kind_was[name]
    ]
    if params.task == "auto" and target.task != champion.task:
        changed.append(f"the target {target.name!r} was {champion.task} and now is {target.task}")
    if gone or changed:
        raise LostColumnsError(champion.version, gone, changed)
    warnings = [f"New since the live model: {listed([*map(repr, new)], MAX_LISTED)}."] if new else []
    lost = [column for column in champion.left_out if column not in table.columns]
    if lost and len(known) == len(kind_was):
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


def _kind(column: Column, before: str) -> str:
    """Return what a column is now, in words; one without any value counts as what it was before."""
    if isinstance(column, NumberColumn):
        return before if bool(np.isnan(column.values).all()) else "a number"
    return "a date" if isinstance(column, DateColumn) else "text"
