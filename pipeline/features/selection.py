"""Which columns become features, and whether the table still is the one that the live model was trained on."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.bundle import Manifest, bundle_dir, read_manifest, read_pointer
from pipeline.core.params import Params
from pipeline.core.problems import BundleError
from pipeline.features.problems import LostColumnsError, NoFeatureError
from pipeline.features.split import Mask, row_hashes, test_mask
from pipeline.features.target import Target
from pipeline.ingest.columns import EXACT_BELOW, Column, Hashes, NumberColumn, Table, TextColumn, UnusableColumn

MAX_CATEGORIES: Final = 50
MAX_TOLD: Final = 5
MIN_PROBED: Final = 20  # rows that must show it before a column is said to tell the target
MAX_PROBED: Final = 10_000
MIN_COVERED_SHARE: Final = 0.2  # of the rows, by the MAX_CATEGORIES most frequent texts


@dataclass(frozen=True)
class Selection:
    """The columns that become features, in file order; the others with the reason; and what to warn of."""

    features: list[NumberColumn | TextColumn]
    dropped: dict[str, str]
    warnings: list[str]


def select(table: Table, target: str, ignore: Collection[str], train: npt.NDArray[np.bool_]) -> Selection:
    """Leave out what cannot help: ignored columns, identifiers, free text, dates, and what is empty or constant in
    the rows `train`. Raises DataError DATA-15 if nothing is left.
    """
    features: list[NumberColumn | TextColumn] = []
    dropped: dict[str, str] = {}
    warnings = [f"There is no column {name!r} to ignore." for name in ignore if name not in table.columns]
    for name, column in table.columns.items():
        if name == target:
            continue
        reason = "ignored" if name in ignore else _useless(column, train)
        if not reason and isinstance(column, NumberColumn | TextColumn):
            features.append(column)
            continue
        dropped[name] = reason
    if not features:
        raise NoFeatureError(dropped)
    return Selection(features, dropped, warnings + _told(dropped, ignore))


def target_leakage(
    features: list[NumberColumn | TextColumn], target: Target, train: npt.NDArray[np.bool_]
) -> list[str]:
    """Warnings of features that are the target in other words: a value of its own for each class (missing counts as a
    value), or a straight line of the number to predict. Looks at MAX_PROBED of the rows `train` at most.
    """
    rows = np.flatnonzero(train)
    rows = rows[:: max(1, len(rows) // MAX_PROBED)]
    if len(rows) < MIN_PROBED:
        return []
    answers = target.values[rows]
    found = []
    for column in features:
        values = column.codes[rows] if isinstance(column, TextColumn) else column.values[rows]
        if _renamed(values, answers) if target.classes else _on_a_line(values, answers):
            found.append(
                f"Column {column.name!r} tells {target.name!r} by itself. If it is not known before the answer is, "
                "name it in the parameter `ignore`."
            )
    return found


def live_model(models_dir: Path) -> Manifest | None:
    """The manifest of the live model; None before the first, or where it cannot be read (another stage says so)."""
    try:
        pointer = read_pointer(models_dir)
        return read_manifest(bundle_dir(models_dir, pointer), pointer.sha256) if pointer else None
    except BundleError:
        return None


def check_against(champion: Manifest, table: Table, target: Target, params: Params) -> list[str]:
    """Remarks on what is new since the live model was trained.

    Raises DataError DATA-16 where a column that it uses is gone or changed between number and text, unless it is
    ignored by name. A table with another target, or with few columns of the live model among more new ones, is
    another table: that is said, and allowed.
    """
    before = {feature.name: feature.kind == "categorical" for feature in champion.features}
    known = [name for name in before if name in table.columns]
    new = [name for name in table.columns if name not in {*before, *champion.left_out, target.name}]
    # Two tables may well share a target called "target" and a column called "age".
    is_other = 2 * len(known) < len(before) and len(new) > len(known)
    if champion.target != target.name or is_other:
        return [f"This is another table than that of the live model (version {champion.version})."]
    gone = [name for name in before if name not in table.columns and name not in params.ignore]
    changed = [
        f"{name!r} was {'text' if before[name] else 'a number'}"
        for name in known
        if name not in params.ignore and _is_text(table.columns[name], before=before[name]) != before[name]
    ]
    if params.task == "auto" and target.task != champion.task:
        changed.append(f"the target {target.name!r} was {champion.task} and now is {target.task}")
    if gone or changed:
        raise LostColumnsError(champion.version, gone, changed)
    remarks = [f"New since the live model: {', '.join(map(repr, new[:8]))}."] if new else []
    lost = [column for column in champion.left_out if column not in table.columns]
    if lost and all(column in table.columns for column in before):
        shown = ", ".join(map(repr, lost[:5]))
        remarks.append(
            f"Without {shown} nobody can tell which rows the live model was trained on: a comparison may favour it."
        )
    return remarks


def held_out_rows(champion: Manifest, table: Table, hashes: Hashes, test_share: float) -> Mask | None:
    """The rows that the live model was not trained on: its own test rows. None where a column that it knew is gone, so
    that nobody can tell. `hashes` are those of the whole table.

    A new column deals the rows anew, and a larger test share takes rows that were trained on: compared on those, the
    live model would win by what it has learned by heart.
    """
    columns = {feature.name for feature in champion.features}.union(champion.left_out)
    if not columns <= table.columns.keys():
        return None
    if columns != table.columns.keys():
        hashes = row_hashes([table.columns[name] for name in columns], table.n_rows)
    return test_mask(hashes, test_share if champion.test_share is None else champion.test_share)


def _told(dropped: dict[str, str], ignore: Collection[str]) -> list[str]:
    """One line a column, or one a reason where many columns share it."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        if name not in ignore:
            by_reason.setdefault(reason, []).append(name)
    lines = []
    for reason, names in by_reason.items():
        if len(names) > MAX_TOLD:
            lines.append(f"{len(names)} columns are left out: {reason}: {', '.join(map(repr, names[:MAX_TOLD]))}, ...")
        else:
            lines += [f"Column {name!r} is left out: {reason}." for name in names]
    return lines


def _useless(column: Column, train: npt.NDArray[np.bool_]) -> str:
    if isinstance(column, UnusableColumn):
        return column.reason
    if isinstance(column, NumberColumn):
        values = column.values[train]
        there = values[~np.isnan(values)]
        n_missing, n_different = len(values) - len(there), 0 if not len(there) else 1 + int(there.min() != there.max())
    else:
        counts = np.bincount(column.codes[train] + 1, minlength=len(column.labels) + 1)
        n_missing, n_different = int(counts[0]), int((counts[1:] > 0).sum())
        covered = np.sort(counts[1:])[-MAX_CATEGORIES:].sum()
        if n_different > MAX_CATEGORIES and covered < MIN_COVERED_SHARE * counts[1:].sum():
            return f"{n_different} different texts, each of them rare"
    if n_different == 0:
        return "no value in any training row"
    if n_different > 1 or n_missing:
        return ""
    blurred = isinstance(column, NumberColumn) and bool(abs(column.values[train][0]) >= EXACT_BELOW)
    return "the same value in every training row" + ", to seven digits" * blurred


def _is_text(column: Column, before: bool) -> bool:
    """Whether a column is text now; one without a value is what it was."""
    if isinstance(column, NumberColumn) and bool(np.isnan(column.values).all()):
        return before
    return not isinstance(column, NumberColumn)


def _renamed(values: npt.NDArray[Any], codes: npt.NDArray[Any]) -> bool:
    kinds, places = np.unique(values, return_inverse=True)
    n_classes = len(np.unique(codes))
    return 1 < n_classes == len(kinds) == len(np.unique(places * (int(codes.max()) + 1) + codes))


def _on_a_line(values: npt.NDArray[Any], answers: npt.NDArray[Any]) -> bool:
    there = ~np.isnan(values)
    if values.dtype.kind != "f" or there.sum() < MIN_PROBED:
        return False
    x, y = values[there].astype(np.float64), answers[there].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return scale > 0 and abs(float(x @ y)) / scale > 1 - 1e-9
