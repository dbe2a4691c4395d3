"""Decides which columns become features, and gives the reason for each of the others."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.features.problems import NoFeatureError
from pipeline.features.profile import MAX_CATEGORIES
from pipeline.ingest.columns import (
    EXACT_BELOW,
    Column,
    DateColumn,
    FeatureColumn,
    FreeTextColumn,
    NumberColumn,
    Table,
    UnusableColumn,
)

MAX_LISTED: Final = 5
MIN_COVERED_SHARE: Final = 0.2  # of the rows, by the MAX_CATEGORIES most frequent categories


@dataclass(frozen=True)
class Selection:
    """The columns that become features, in file order; the reason for each dropped one; and the warnings."""

    features: list[FeatureColumn]
    dropped: dict[str, str]
    warnings: list[str]


def select(table: Table, target: str, ignore: Collection[str], train: npt.NDArray[np.bool_]) -> Selection:
    """Return the features: all columns but ignored ones, IDs, and those empty or constant in the rows
    `train`. Raises DataError DATA-15 if nothing is left.
    """
    features: list[FeatureColumn] = []
    dropped: dict[str, str] = {}
    warnings = [f"There is no column {name!r} to ignore." for name in ignore if name not in table.columns]
    for name, column in table.columns.items():
        if name == target:
            continue
        reason = "ignored" if name in ignore else _drop_reason(column, train)
        if not reason and not isinstance(column, UnusableColumn):
            features.append(column)
            continue
        dropped[name] = reason
    if not features:
        raise NoFeatureError(dropped)
    return Selection(features, dropped, warnings + _drop_warnings(dropped, ignore))


def _drop_warnings(dropped: dict[str, str], ignore: Collection[str]) -> list[str]:
    """Return one warning per column, or one per reason that many columns share."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        if name not in ignore:
            by_reason.setdefault(reason, []).append(name)
    warnings = []
    for reason, names in by_reason.items():
        if len(names) > MAX_LISTED:
            warnings.append(
                f"{len(names)} columns are dropped: {reason}: {', '.join(map(repr, names[:MAX_LISTED]))}, ..."
            )
        else:
            warnings += [f"Column {name!r} is dropped: {reason}." for name in names]
    return warnings


def _drop_reason(column: Column, train: npt.NDArray[np.bool_]) -> str:
    """Return why a column cannot help, or ""."""
    if isinstance(column, UnusableColumn):
        return column.reason
    if isinstance(column, NumberColumn):
        values = column.values[train]
        present = values[~np.isnan(values)]
        n_missing, n_distinct = len(values) - len(present), int(len(present) > 0)
        if n_distinct and present.min() != present.max():
            n_distinct = 2  # or more
    elif isinstance(column, DateColumn):
        moments = column.moments[train]
        # That a date is missing says nothing of the date itself.
        n_missing, n_distinct = 0, len(np.unique(moments[~np.isnat(moments)])[:2])
    else:
        counts = np.bincount(column.codes[train] + 1, minlength=len(column.labels) + 1)
        n_missing, n_distinct = int(counts[0]), int((counts[1:] > 0).sum())
        covered = np.sort(counts[1:])[-MAX_CATEGORIES:].sum()
        if (
            not isinstance(column, FreeTextColumn)
            and n_distinct > MAX_CATEGORIES
            and covered < MIN_COVERED_SHARE * counts[1:].sum()
        ):
            return f"{n_distinct:,} distinct values, all of them rare"
    if n_distinct == 0:
        return "no value in any training row"
    if n_distinct > 1 or n_missing:
        return ""
    is_rounded = isinstance(column, NumberColumn) and bool(abs(column.values[train][0]) >= EXACT_BELOW)
    return "the same value in every training row" + ", to seven digits" * is_rounded
