"""The profile of a table: for each column its kind, its missing values and their distribution. Of training rows only,
so that drift can be measured against what the model has seen.
"""

from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.manifest import Feature, Histogram, Scalar
from pipeline.core.table_profile import Category, ColumnProfile, Role
from pipeline.ingest.columns import (
    SECONDS_PER_DAY,
    Column,
    DateColumn,
    FreeTextColumn,
    NumberColumn,
    TextColumn,
    UnusableColumn,
)

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
N_BINS: Final = 20
MAX_CATEGORIES: Final = 50  # of a column: the profile lists them, the model knows them, others are treated as unknown

Mask = npt.NDArray[np.bool_]


def describe(column: Column, rows: Mask, role: Role, reason: str = "") -> ColumnProfile:
    """Return the profile of a column over `rows`."""
    n_rows = int(rows.sum())
    if isinstance(column, NumberColumn):
        return _numbers(column, column.values[rows], role, reason)
    if isinstance(column, UnusableColumn):
        distinct = len(np.unique(column.row_hashes[rows]))
        return ColumnProfile(
            name=column.name, role=role, kind="other", reason=reason, missing=0, missing_share=0.0, distinct=distinct
        )
    if isinstance(column, DateColumn):
        return _dates(column, rows, role, reason)
    if isinstance(column, FreeTextColumn):
        return _texts(column, rows, role, reason)
    categories, missing = count_categories(column, rows)
    return ColumnProfile(
        name=column.name,
        role=role,
        kind="categorical",
        reason=reason,
        missing=missing,
        missing_share=missing / max(n_rows, 1),
        distinct=len(categories),
        categories=[Category(value=value, count=count) for value, count in categories[:MAX_CATEGORIES]],
    )


def count_categories(column: TextColumn, rows: Mask) -> tuple[list[tuple[str, int]], int]:
    """Return the categories in `rows` with their counts, most frequent first (then by text), and the missing count."""
    counts = np.bincount(column.codes[rows] + 1, minlength=len(column.labels) + 1)
    present = [(label, int(count)) for label, count in zip(column.labels, counts[1:], strict=True) if count]
    return sorted(present, key=lambda pair: (-pair[1], pair[0])), int(counts[0])


def to_feature(profile: ColumnProfile, example: Scalar) -> Feature:
    """Return the feature as the bundle describes it; `example` is one of its values, or None."""
    common = {"name": profile.name, "missing_share": profile.missing_share, "nullable": profile.missing > 0}
    if profile.kind == "categorical":
        return Feature(
            **common,
            kind="categorical",
            categories=[category.value for category in profile.categories],
            category_counts=[category.count for category in profile.categories],
            example=example,
        )
    if profile.kind == "text":
        return Feature(**common, kind="text", example=example)
    if profile.kind == "date":
        ends = {"earliest": profile.earliest, "middle": profile.middle, "latest": profile.latest}
        return Feature(**common, kind="date", histogram=profile.histogram, example=example, **ends)
    return Feature(
        **common,
        kind="boolean" if profile.kind == "boolean" else "numeric",
        integer=profile.integer,
        min=profile.min,
        max=profile.max,
        median=profile.quantiles.get("0.5"),
        low=profile.quantiles.get("0.01"),
        high=profile.quantiles.get("0.99"),
        histogram=profile.histogram,
        example=example,
    )


def _dates(column: DateColumn, rows: Mask, role: Role, reason: str) -> ColumnProfile:
    moments = column.moments[rows]
    present = np.sort(moments[~np.isnat(moments)])
    profile = ColumnProfile(
        name=column.name,
        role=role,
        kind="date",
        reason=reason,
        missing=len(moments) - len(present),
        missing_share=(len(moments) - len(present)) / max(len(moments), 1),
        distinct=1 + int(np.count_nonzero(present[1:] != present[:-1])) if len(present) else 0,
    )
    if not len(present):
        return profile
    days = (present.astype(np.int64) / SECONDS_PER_DAY).astype(np.float32)
    earliest, middle, latest = np.datetime_as_string(present[[0, len(present) // 2, -1]], unit="s").tolist()
    return profile.model_copy(
        update={
            "earliest": earliest,
            "middle": middle,
            "latest": latest,
            "histogram": _histogram(days, float(days[0]), float(days[-1])),
        }
    )


def _texts(column: FreeTextColumn, rows: Mask, role: Role, reason: str) -> ColumnProfile:
    codes = column.codes[rows]
    present, n_rows = np.unique(codes[codes >= 0], return_counts=True)
    n_missing = len(codes) - int(n_rows.sum())
    of_words: Counter[str] = Counter()
    for code, n in zip(present.tolist(), n_rows.tolist(), strict=True):
        for word in set(column.labels[code].split()):
            of_words[word] += n
    frequent = sorted(of_words.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_CATEGORIES]
    return ColumnProfile(
        name=column.name,
        role=role,
        kind="text",
        reason=reason,
        missing=n_missing,
        missing_share=n_missing / max(len(codes), 1),
        distinct=len(present),
        categories=[Category(value=word, count=count) for word, count in frequent],
    )


def _numbers(column: NumberColumn, values: npt.NDArray[np.float32], role: Role, reason: str) -> ColumnProfile:
    present = np.sort(values[~np.isnan(values)])
    missing = len(values) - len(present)
    profile = ColumnProfile(
        name=column.name,
        role=role,
        kind="boolean" if column.boolean else "numeric",
        reason=reason,
        missing=missing,
        missing_share=missing / max(len(values), 1),
        distinct=0,
    )
    if not len(present):
        return profile
    quantiles = {f"{share:g}": _quantile(present, share) for share in QUANTILES}
    return profile.model_copy(
        update={
            "distinct": 1 + int(np.count_nonzero(present[1:] != present[:-1])),
            "integer": bool(np.all(present == np.floor(present))),
            "min": float(present[0]),
            "max": float(present[-1]),
            "mean": float(present.mean(dtype=np.float64)),
            "std": float(present.std(dtype=np.float64)),
            "quantiles": quantiles,
            "histogram": _histogram(present, quantiles["0.01"], quantiles["0.99"]),
        }
    )


def _quantile(ordered: npt.NDArray[np.float32], share: float) -> float:
    """Return the quantile, interpolated in float64: in float32 the difference of two huge values is infinite."""
    place = share * (len(ordered) - 1)
    low, high = (float(ordered[i]) for i in (int(place), min(int(place) + 1, len(ordered) - 1)))
    return low + (high - low) * (place - int(place))


def _histogram(ordered: npt.NDArray[np.float32], low: float, high: float) -> Histogram:
    """Return the histogram between the outer percentiles, so that a few huge values do not flatten it; the end bins hold
    the rest.
    """
    if low == high:
        low, high = float(ordered[0]), float(ordered[-1])
    if low == high:
        high = low + 1.0
    edges = np.linspace(low, high, N_BINS + 1)
    inner = np.searchsorted(ordered, edges[1:-1], side="left")
    return Histogram(edges=edges.tolist(), counts=np.diff(np.concatenate([[0], inner, [len(ordered)]])).tolist())
