"""Which column is predicted, what kind of task that is, and the target of each row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Task
from pipeline.features.problems import (
    AmbiguousTargetError,
    ConstantTargetError,
    UnfitTargetError,
    UnknownTargetError,
    listed,
)
from pipeline.ingest.columns import EXACT_BELOW, Column, NumberColumn, Table, TextColumn, UnusableColumn

# What a target is usually called. It is inferred only if exactly one column is called so.
COMMON_TARGET_NAMES: Final = frozenset({"seriousdlqin2yrs", "target", "label", "y", "class", "outcome", "response"})
MAX_INFERRED_CLASSES: Final = 20  # whole numbers with more values than this are taken as amounts
MIN_ROWS_PER_CLASS: Final = 5
MAX_CLASSES: Final = 100

ClassType = Literal["integer", "boolean", "number", "string"]


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
        """The positions in `classes`; None for regression."""
        return self.values.astype(np.int64, copy=False) if self.classes else None


def infer_name(names: Iterable[str], wanted: str | None) -> str:
    """The target's name. Raises DataError DATA-11 if `wanted` is no column, DATA-10 if none can be inferred."""
    known = list(names)
    if wanted:
        if wanted in known:
            return wanted
        raise UnknownTargetError(wanted, known)
    usual = [name for name in known if name.lower() in COMMON_TARGET_NAMES]
    if len(usual) == 1:
        return usual[0]
    raise AmbiguousTargetError(usual, known)


def resolve(table: Table, name: str, task: Literal["auto", "binary", "multiclass", "regression"]) -> Target:
    """The target of the table. Raises DataError DATA-12 for one value or none, DATA-13 if it does not fit `task`."""
    column = table.columns[name]
    if isinstance(column, UnusableColumn):
        raise UnfitTargetError(name, f"It holds {column.reason.split(':')[0]}.")
    present = column.codes >= 0 if isinstance(column, TextColumn) else ~np.isnan(column.values)
    labels, class_type, codes = _labels(column, present)
    blurred = class_type == "integer" and any(abs(int(label)) >= EXACT_BELOW for label in labels)
    if len(labels) < 2 and not blurred:
        raise ConstantTargetError(name, labels, int(present.sum()), table.n_rows)
    chosen = _task(column, labels, int(present.sum())) if task == "auto" else task
    if blurred and (chosen != "regression" or len(labels) < 2):
        what = f"Whole numbers from {EXACT_BELOW:,} on are not told apart exactly, so they cannot be classes"
        raise UnfitTargetError(name, f"{what}: write them as words, such as 'c{labels[0]}'.")
    if chosen == "regression":
        if isinstance(column, TextColumn):
            raise UnfitTargetError(name, f"Regression needs numbers; it has texts such as {labels[0]!r}.")
        return Target(name, chosen, [], "number", present, column.values[present].astype(np.float64))
    if chosen == "binary" and len(labels) != 2:
        raise UnfitTargetError(name, f"A binary task needs two classes; it has {len(labels)}: {listed(labels[:10])}.")
    if len(labels) > MAX_CLASSES:
        raise UnfitTargetError(name, f"At most {MAX_CLASSES} classes are taken; it has {len(labels)}.")
    return Target(name, chosen, labels, class_type, present, codes)


def _labels(column: Column, present: npt.NDArray[np.bool_]) -> tuple[list[str], ClassType, npt.NDArray[np.int64]]:
    """The distinct values in order, as they are written, and the position of each present row's value."""
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
