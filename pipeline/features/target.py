"""Finds the target column, its task, and the target of each row."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import gcd
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import match_names
from pipeline.core.manifest import ClassType
from pipeline.core.params import Task
from pipeline.core.sentences import listed
from pipeline.features.problems import (
    AmbiguousTargetError,
    ConstantTargetError,
    UnfitTargetError,
    UnknownTargetError,
)
from pipeline.ingest.columns import EXACT_BELOW, Column, DateColumn, NumberColumn, Table, TextColumn, UnusableColumn
from pipeline.ingest.word_columns import LETTER_PAIRS

# In lower case. The target is inferred only if exactly one column has such a name. The second ones often name something
# else: y may be a coordinate, class that of a passenger.
CLEAR_TARGET_NAMES: Final = frozenset({"seriousdlqin2yrs", "target", "label"})
COMMON_TARGET_NAMES: Final = CLEAR_TARGET_NAMES | {"y", "class", "outcome", "response"}
MAX_INFERRED_CLASSES: Final = 20  # whole numbers with more distinct values than this are quantities, not classes
MIN_ROWS_PER_CLASS: Final = 5
MIN_STEP: Final = 10  # whole numbers that are all so far apart are amounts, such as prices in steps of 50
MIN_AMOUNT: Final = 100  # of the largest of numbers that are far apart, but in no steps: 199, 249 and 450
MIN_CODE_DIGITS: Final = 5  # numbers of as many digits each are rather codes
YEARS: Final = (1800, 2200)
MIN_FOLDED_CHARS: Final = 2  # one letter in two cases may be two classes
MAX_CLASSES: Final = 100
MAX_LISTED: Final = 10


@dataclass(frozen=True)
class Target:
    """`values` of the rows in `present` (a mask over the table): int64 positions in `classes`, or float64 numbers.

    `remarks` say how it was read, where that is not obvious.
    """

    name: str
    task: Task
    classes: list[str]
    class_type: ClassType
    present: npt.NDArray[np.bool_]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    remarks: list[str] = field(default_factory=list)

    @property
    def codes(self) -> npt.NDArray[np.int64] | None:
        """Return the positions in `classes`; None for regression."""
        return self.values.astype(np.int64, copy=False) if self.classes else None


def infer_name(names: Iterable[str], chosen: str | None) -> str:
    """Return the target's name; `chosen` may differ from a column's name in case and blanks.

    Raises DataError DATA-11 if `chosen` is not a column, DATA-10 if none can be inferred.
    """
    known = list(names)
    if chosen:
        if match := match_names([chosen], known):
            return match[chosen]
        raise UnknownTargetError(chosen, known)
    candidates = [name for name in known if name.lower() in COMMON_TARGET_NAMES]
    if len(candidates) == 1:
        return candidates[0]
    raise AmbiguousTargetError(candidates, known)


def guess_warning(name: str, names: Iterable[str]) -> str:
    """Return a sentence for a target that nobody named and whose name often means something else, or ""."""
    if name.lower() in CLEAR_TARGET_NAMES:
        return ""
    others = [other for other in names if other != name]
    return (
        f"The target {name!r} was guessed from its name. If it is not what is to be predicted, name another column in the "
        f"parameter “target”: {listed(others, MAX_LISTED)}."
    )


def resolve(table: Table, name: str, task: Literal["auto", "binary", "multiclass", "regression"]) -> Target:
    """Return the target. Raises DataError DATA-12 if it has fewer than two values, DATA-13 if it does not fit `task`."""
    column = table.columns[name]
    if isinstance(column, UnusableColumn):
        raise UnfitTargetError(name, f"It cannot be used: {column.reason}.")
    if isinstance(column, DateColumn):
        raise UnfitTargetError(
            name, f"It holds dates such as {column.texts(column.present)[0]!r}, which cannot be predicted."
        )
    present = column.present
    remarks: list[str] = []
    if isinstance(column, TextColumn):
        column = _folded(column, remarks)
    exact = table.exact_target
    numbers = column.values if isinstance(column, NumberColumn) and exact is None else exact
    labels, class_type, codes = _labels(column, present, numbers)
    # Those that float32 rounds are kept exactly, but where texts were read as numbers; longer ones than float64 holds are texts.
    is_rounded = exact is None and class_type == "integer" and any(abs(int(label)) >= EXACT_BELOW for label in labels)
    if len(labels) < 2 and not is_rounded:
        raise ConstantTargetError(name, labels, int(present.sum()), table.n_rows)
    chosen = _task(column, labels, int(present.sum())) if task == "auto" else task
    if is_rounded and (chosen != "regression" or len(labels) < 2):
        why = f"Whole numbers from {EXACT_BELOW:,} on are not distinguished exactly, so they cannot be classes"
        raise UnfitTargetError(name, f"{why}: write them as words, such as 'c{labels[0]}'.")
    if chosen == "regression":
        if isinstance(column, TextColumn) or numbers is None:
            raise UnfitTargetError(name, f"Regression needs numbers, but it has text such as {labels[0]!r}.")
        return Target(name, chosen, [], "number", present, numbers[present].astype(np.float64))
    if chosen == "binary" and len(labels) != 2:
        raise UnfitTargetError(
            name, f"A binary task needs two classes, but it has {len(labels)}: {listed(labels, 10)}."
        )
    if len(labels) > MAX_CLASSES:
        raise UnfitTargetError(name, f"At most {MAX_CLASSES} classes are supported, but it has {len(labels)}.")
    return Target(name, chosen, labels, class_type, present, codes, remarks)


def _folded(column: TextColumn, remarks: list[str]) -> TextColumn:
    """Return the column with spellings that differ only in case as one label, the most frequent one."""
    groups: dict[str, list[int]] = {}
    folds_all = {label.casefold() for label in column.labels} in LETTER_PAIRS
    for code, label in enumerate(column.labels):
        groups.setdefault(label.casefold() if folds_all or len(label) >= MIN_FOLDED_CHARS else label, []).append(code)
    if len(groups) == len(column.labels):
        return column
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.labels))
    place = np.arange(len(column.labels), dtype=np.int32)
    for group in groups.values():
        place[group] = max(group, key=lambda code: int(counts[code]))
        spellings = [column.labels[code] for code in group if counts[code]]
        if len(spellings) > 1:
            remarks.append(f"spellings taken as one class: {' = '.join(map(repr, spellings))}")
    return replace(column, codes=np.append(place, np.int32(-1))[column.codes])


def _labels(
    column: Column, present: npt.NDArray[np.bool_], numbers: npt.NDArray[np.floating[Any]] | None
) -> tuple[list[str], ClassType, npt.NDArray[np.int64]]:
    """Return the distinct values in order, as they are written, their type, and the position of each present value."""
    if isinstance(column, TextColumn):
        used = np.unique(column.codes[present])
        order = sorted(used.tolist(), key=lambda code: (column.labels[code].casefold(), column.labels[code]))
        places = np.zeros(len(column.labels), dtype=np.int64)
        places[order] = np.arange(len(order))
        return [column.labels[code] for code in order], "string", places[column.codes[present]]
    assert isinstance(column, NumberColumn)
    assert numbers is not None
    values, codes = np.unique(numbers[present], return_inverse=True)
    whole = bool(np.all(values == np.floor(values)))
    if column.boolean:
        return ["true" if value else "false" for value in values], "boolean", codes
    if whole:
        return [str(int(value)) for value in values], "integer", codes
    return [str(np.float32(value)) for value in values], "number", codes


def _task(column: Column, labels: list[str], n_rows: int) -> Task:
    if len(labels) == 2:
        return "binary"
    if isinstance(column, TextColumn):
        return "multiclass"
    whole = all(label.lstrip("-").isdigit() for label in labels)
    few = len(labels) <= min(MAX_INFERRED_CLASSES, n_rows // MIN_ROWS_PER_CLASS)
    is_amount = isinstance(column, NumberColumn) and (bool(column.reading.affixes) or column.reading.clock)
    return "multiclass" if whole and few and not is_amount and not _are_quantities(labels) else "regression"


def _are_quantities(labels: list[str]) -> bool:
    """Return whether few whole numbers are years, or amounts in steps, rather than classes."""
    numbers = sorted(int(label) for label in labels)
    is_year = YEARS[0] <= numbers[0] and numbers[-1] < YEARS[1]
    step = gcd(*(high - low for low, high in pairwise(numbers)))
    n_digits = {len(str(abs(number))) for number in numbers}
    are_codes = len(n_digits) == 1 and min(n_digits) >= MIN_CODE_DIGITS
    is_wide = numbers[-1] >= MIN_AMOUNT and numbers[-1] - numbers[0] > MIN_STEP * len(numbers)
    return is_year or step >= MIN_STEP or (is_wide and not are_codes)
