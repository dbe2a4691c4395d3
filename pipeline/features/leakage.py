"""Finds features that are the target in other words, so that a model would only look good."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

from pipeline.features.target import Target
from pipeline.features.words import word_counts
from pipeline.ingest.columns import FeatureColumn, FreeTextColumn, NumberColumn, TextColumn

MIN_ROWS: Final = 20  # that must show it before a column is said to leak the target
MAX_ROWS: Final = 10_000
MIN_MISSING: Final = 5
MIN_NEARLY: Final = 1000  # rows of which one may be an exception
MAX_LEVELS: Final = 50  # of a number that may be a code
MAX_LEVELS_SHARE: Final = 0.5  # distinct values per row: more are rather measures than codes
NEARLY_ALL: Final = 0.999
MAX_CHANCE: Final = 1e-9  # that a column without any relation would look like this

Codes = npt.NDArray[np.int64]


def find_leakage(features: list[FeatureColumn], target: Target, train: npt.NDArray[np.bool_]) -> dict[str, str]:
    """Return the features that give the target away, each with a clause that says how: `determines it exactly`.

    Found are columns of which each value has one class (missing counts as a value), that separate the classes nearly
    perfectly, texts with a word that tells the class, columns that are missing exactly where the target is of one class, and numbers that are nearly a function of the
    number to predict. Samples at most MAX_ROWS of the rows `train`.
    """
    rows = np.flatnonzero(train)
    if len(rows) > MAX_ROWS:
        # Every so many rows would see only one phase of what comes in turn.
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))
    if len(rows) < MIN_ROWS:
        return {}
    targets = target.values[rows]
    found = {}
    for column in features:
        if isinstance(column, FreeTextColumn):
            word = _telling_word(column, rows, targets, len(target.classes)) if target.classes else ""
            if word:
                found[column.name] = f"has the word {word!r}, which alone tells {{}} in nearly every row"
                continue
        values = _values(column, rows)
        how = _of_classes(values, targets, target.classes) if target.classes else _of_number(values, targets)
        if how:
            found[column.name] = how
    return found


def _values(column: FeatureColumn, rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return numbers, NaN where missing, or codes, -1 where missing."""
    if isinstance(column, NumberColumn):
        return column.values[rows]
    if isinstance(column, TextColumn):
        return column.codes[rows]
    _, codes = np.unique(column.moments[rows], return_inverse=True)
    return np.where(column.present[rows], codes, -1)


def warnings(found: dict[str, str], target: str) -> list[str]:
    """Return a sentence for each feature that was found."""
    return [
        f"Column {name!r} {how.replace('{}', repr(target))}: possible target leakage. If it is not known at prediction time, name "
        "it in the parameter “ignore”."
        for name, how in found.items()
    ]


def _of_classes(values: npt.NDArray[Any], codes: npt.NDArray[Any], classes: list[str]) -> str:
    """Return how a column gives the class away, with {} for the target, or ""."""
    levels, positions = np.unique(values, return_inverse=True)
    counts = np.zeros((len(levels), len(classes)), dtype=np.int64)
    np.add.at(counts, (positions, codes.astype(np.int64)), 1)
    present_classes = counts.sum(axis=0)
    if (present_classes > 0).sum() < 2:
        return ""
    missing = values < 0 if values.dtype.kind == "i" else np.isnan(values)
    if missing_class := _class_of_missing(missing, codes, present_classes):
        return f"is missing exactly where {{}} is {classes[missing_class - 1]!r}"
    is_code = len(levels) <= MAX_LEVELS_SHARE * len(values)
    if is_code and _is_pure(counts):
        return "determines {} exactly"
    if is_code and _is_nearly_pure(counts):
        return "determines {} in nearly every row"
    is_number = values.dtype.kind == "f"
    return "alone separates the classes of {} nearly perfectly" if is_number and _separates(values, codes) else ""


def _telling_word(column: FreeTextColumn, rows: npt.NDArray[np.intp], codes: npt.NDArray[Any], n_classes: int) -> str:
    """Return the word of which it is enough to know whether it occurs, "" if there is none."""
    present, words = word_counts(column, rows)
    sizes = np.bincount(codes.astype(np.int64), minlength=n_classes)
    with_word = np.stack([np.asarray(present[codes == k].sum(axis=0)).ravel() for k in range(n_classes)])
    for i, word in enumerate(words):
        inside = with_word[:, i].astype(np.int64)
        if _is_nearly_pure(np.stack([inside, sizes - inside])):
            return word
    return ""


def _separates(values: npt.NDArray[Any], codes: npt.NDArray[Any]) -> bool:
    """Return whether the classes lie in a few intervals of the values that are not missing."""
    present = ~np.isnan(values)
    return _is_ordered_by_class(values[present], codes[present]) or _is_split_by_few(values[present], codes[present])


def _class_of_missing(missing: npt.NDArray[np.bool_], codes: npt.NDArray[Any], sizes: Codes) -> int:
    """Return the number, from 1, of the class whose rows are those in which the value is missing; 0 if there is none."""
    if not MIN_MISSING <= missing.sum() < len(missing):
        return 0
    counts = np.bincount(codes[missing].astype(np.int64), minlength=len(sizes))
    usual = int(counts.argmax())
    both, either = int(counts[usual]), int(missing.sum() + sizes[usual] - counts[usual])
    return usual + 1 if both == either or (both >= MIN_NEARLY and both >= NEARLY_ALL * either) else 0


def _is_pure(counts: Codes) -> bool:
    """Return whether each value has one class only, and more often than by chance."""
    sizes = counts.sum(axis=1)
    if (counts.max(axis=1) < sizes).any():
        return False
    shares = counts.sum(axis=0) / sizes.sum()
    with np.errstate(divide="ignore"):
        chance = np.log((shares[None, :] ** sizes[:, None]).sum(axis=1)).sum()
    return bool(chance < np.log(MAX_CHANCE))


def _is_nearly_pure(counts: Codes) -> bool:
    """Return whether the other rows with a row's value tell its class in nearly every row."""
    sizes = counts.sum(axis=1)
    repeated = sizes > 1
    n_rows, n_usual = int(sizes[repeated].sum()), int(counts[repeated].max(axis=1).sum())
    usual_share = counts.sum(axis=0).max() / sizes.sum()
    return n_rows >= NEARLY_ALL * sizes.sum() and n_usual >= NEARLY_ALL * n_rows and usual_share < 2 * NEARLY_ALL - 1


def _is_ordered_by_class(values: npt.NDArray[Any], codes: npt.NDArray[Any]) -> bool:
    """Return whether the classes follow one another along the values, but for very few rows.

    Of each class there must be enough rows, so that it is not by chance.
    """
    if len(values) < MIN_ROWS:
        return False
    present, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    if len(present) < 2 or counts.min() < MIN_MISSING:
        return False
    # The classes in the order of their medians: how many pairs of neighbouring classes stand the other way round?
    medians = [float(np.median(values[inverse == k])) for k in range(len(present))]
    order = np.argsort(medians)
    return all(
        _auc(values[inverse == low], values[inverse == high]) >= NEARLY_ALL for low, high in pairwise(order.tolist())
    )


def _auc(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> float:
    """Return the probability that a value of `high` is above one of `low`; ties count half (Mann-Whitney U)."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    not_above = np.searchsorted(ordered, high, side="right")
    return float((below + not_above).sum() / (2 * len(low) * len(high)))


def _of_number(values: npt.NDArray[Any], targets: npt.NDArray[Any]) -> str:
    if values.dtype.kind != "f":
        return _of_groups(values, targets)
    present = ~np.isnan(values)
    if present.sum() < MIN_ROWS:
        return ""
    x, y = values[present].astype(np.float64), targets[present].astype(np.float64)
    if _correlation(x, y) > 1 - 1e-9:
        return "determines {} exactly"
    is_function = _correlation(x, y) ** 2 >= NEARLY_ALL or _correlation(_ranks(x), _ranks(y)) >= NEARLY_ALL
    if is_function:
        return "alone gives {} nearly exactly"
    return _of_groups(x, y) if len(np.unique(x)) <= MAX_LEVELS else ""


def _is_split_by_few(values: npt.NDArray[Any], codes: npt.NDArray[Any]) -> bool:
    """Return whether a few intervals of the values have one class each: a tree of four leaves tells it on rows it has not seen."""
    usual = float(np.bincount(codes.astype(np.int64)).max()) / len(codes) if len(codes) else 1.0
    if len(values) < 10 * MIN_ROWS or usual >= 2 * NEARLY_ALL - 1:
        return False
    order = np.random.default_rng(0).permutation(len(values))
    half = len(order) // 2
    x, y = values[order].astype(np.float32).reshape(-1, 1), codes[order]
    tree = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(x[:half], y[:half])
    return bool(tree.score(x[half:], y[half:]) >= NEARLY_ALL)


def _of_groups(codes: npt.NDArray[Any], targets: npt.NDArray[Any]) -> str:
    """Return how the categories give the number away, or "": by the mean of the other rows of a category."""
    _, positions, counts = np.unique(codes, return_inverse=True, return_counts=True)
    repeated = counts[positions] > 1
    if repeated.sum() < NEARLY_ALL * len(codes) or len(counts) > MAX_LEVELS_SHARE * len(codes):
        return ""
    y, at = targets[repeated].astype(np.float64), positions[repeated]
    spread = float(((y - y.mean()) ** 2).sum())
    others = (np.bincount(positions, weights=targets)[at] - y) / (counts[at] - 1)
    is_nearly = spread > 0 and 1 - float(((y - others) ** 2).sum()) / spread >= NEARLY_ALL
    return "alone gives {} nearly exactly" if is_nearly else ""


def _correlation(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return abs(float(x @ y)) / scale if scale > 0 else 0.0


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the ranks of the values, equal ones with their mean rank (Spearman's)."""
    _, positions, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[positions], dtype=np.float64)
