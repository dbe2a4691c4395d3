"""Finds the target column, its task, and the target of each row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.bundle import ClassType
from pipeline.core.params import Task
from pipeline.core.sentences import listed
from pipeline.features.problems import (
    AmbiguousTargetError,
    ConstantTargetError,
    UnfitTargetError,
    UnknownTargetError,
)
from pipeline.ingest.columns import EXACT_BELOW, Column, NumberColumn, Table, TextColumn, UnusableColumn

# In lower case. The target is inferred only if exactly one column has such a name.
COMMON_TARGET_NAMES: Final = frozenset({"seriousdlqin2yrs", "target", "label", "y", "class", "outcome", "response"})
MAX_INFERRED_CLASSES: Final = 20  # whole numbers with more distinct values than this are quantities, not classes
MIN_ROWS_PER_CLASS: Final = 5
MAX_CLASSES: Final = 100


@dataclass(frozen=True)
class Target:
    """`values` of the rows in `present` (a mask over the table): int64 positions in `classes`, or float64 numbers."""

    name: str
    task: Task
    classes: list[str]
    class_type: ClassType
    present: npt.NDArray[np.bool_]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64]

    @property
    def codes(self) -> npt.NDArray[np.int64] | None:
        """Return the positions in `classes`; None for regression."""
        return self.values.astype(np.int64, copy=False) if self.classes else None


def infer_name(names: Iterable[str], chosen: str | None) -> str:
    """Return the target's name. Raises DataError DATA-11 if `chosen` is not a column, DATA-10 if none can be inferred."""
    known = list(names)
    if chosen:
        if chosen in known:
            return chosen
        raise UnknownTargetError(chosen, known)
    candidates = [name for name in known if name.lower() in COMMON_TARGET_NAMES]
    if len(candidates) == 1:
        return candidates[0]
    raise AmbiguousTargetError(candidates, known)


def resolve(table: Table, name: str, task: Literal["auto", "binary", "multiclass", "regression"]) -> Target:
    """Return the target. Raises DataError DATA-12 if it has fewer than two values, DATA-13 if it does not fit `task`."""
    column = table.columns[name]
    if isinstance(column, UnusableColumn):
        raise UnfitTargetError(name, f"It cannot be used: {column.reason}.")
    present = column.codes >= 0 if isinstance(column, TextColumn) else ~np.isnan(column.values)
    labels, class_type, codes = _labels(column, present)
    is_rounded = class_type == "integer" and any(abs(int(label)) >= EXACT_BELOW for label in labels)
    if len(labels) < 2 and not is_rounded:
        raise ConstantTargetError(name, labels, int(present.sum()), table.n_rows)
    chosen = _task(column, labels, int(present.sum())) if task == "auto" else task
    if is_rounded and (chosen != "regression" or len(labels) < 2):
        why = f"Whole numbers from {EXACT_BELOW:,} on are not distinguished exactly, so they cannot be classes"
        raise UnfitTargetError(name, f"{why}: write them as words, such as 'c{labels[0]}'.")
    if chosen == "regression":
        if isinstance(column, TextColumn):
            raise UnfitTargetError(name, f"Regression needs numbers, but it has text such as {labels[0]!r}.")
        return Target(name, chosen, [], "number", present, column.values[present].astype(np.float64))
    if chosen == "binary" and len(labels) != 2:
        raise UnfitTargetError(
            name, f"A binary task needs two classes, but it has {len(labels)}: {listed(labels, 10)}."
        )
    if len(labels) > MAX_CLASSES:
        raise UnfitTargetError(name, f"At most {MAX_CLASSES} classes are supported, but it has {len(labels)}.")
    return Target(name, chosen, labels, class_type, present, codes)


def _labels(column: Column, present: npt.NDArray[np.bool_]) -> tuple[list[str], ClassType, npt.NDArray[np.int64]]:
    """Return the distinct values in order, as they are written, their type, and the position of each present value."""
    if isinstance(column, TextColumn):
        used = np.unique(column.codes[present])
        order = sorted(used.tolist(), key=lambda code: column.labels[code])
        places = np.zeros(len(column.labels), dtype=np.int64)
        places[order] = np.arange(len(order))
        return [column.labels[code] for code in order], "string", places[column.codes[present]]
    assert isinstance(column, NumberColumn)
    values, codes = np.unique(column.values[present], return_inverse=True)
    whole = bool(np.all(values == np.floor(values)))
    if column.boolean:
        return ["true" if value else "false" for value in values], "boolean", codes
    if whole:
        return [str(int(value)) for value in values], "integer", codes
    return [str(value) for value in values], "number", codes


def _task(column: Column, labels: list[str], n_rows: int) -> Task:
    if len(labels) == 2:
        return "binary"
    if isinstance(column, TextColumn):
        return "multiclass"
    whole = all(label.lstrip("-").isdigit() for label in labels)
    few = len(labels) <= min(MAX_INFERRED_CLASSES, n_rows // MIN_ROWS_PER_CLASS)
    return "multiclass" if whole and few else "regression"
