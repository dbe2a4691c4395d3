"""Columns in memory, and what kind each of them is.

Numbers are float32 from the start, because float32 is what the model is served with. Text is a code per row and a list
of labels. A column that no model can take (free text, identifiers, dates) keeps one hash per row, so that it still
counts for the split.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import parse_number

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]

EXACT_BELOW: Final = 2**24  # from here on neighbouring whole numbers may be the same float32
NUMBER_SHARE: Final = 0.95  # of the values that are there; a column of text with more numbers than this is numeric
ROW_NUMBER_SHARE: Final = 0.9
_MONTH: Final = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE: Final = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}|\d{{1,2}}[-/]\d{{1,2}}[-/]\d{{2}}"
    rf"|\d{{1,2}}[- ]{_MONTH}[- ,]+\d{{2,4}}|{_MONTH} \d{{1,2}}, ?\d{{4}})([ T]\d{{1,2}}:\d{{2}}.*)?"
)
_ROW_NUMBER: Final = re.compile(r"unnamed: ?\d+|index|row[ _]?(id|nr|no|num|number|index)?", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"(?i:(.*[ _])?(id|uuid|guid))|.*[a-z]I[Dd]")


@dataclass(frozen=True)
class NumberColumn:
    """float32 [n], NaN where missing (infinite values count as missing; there were `infinite` of them)."""

    name: str
    values: Floats
    boolean: bool = False
    infinite: int = 0

    def hashes(self) -> Hashes:
        """One number per row that depends on its value only; equal values, of whatever width, have equal ones."""
        canonical = self.values + np.float32(0)  # -0.0 becomes 0.0
        canonical[np.isnan(canonical)] = np.nan
        return canonical.view(np.uint32).astype(np.uint64)


@dataclass(frozen=True)
class TextColumn:
    """int32 [n] positions in `labels`, -1 where missing. Labels are stripped, distinct, in order of appearance."""

    name: str
    codes: Codes
    labels: list[str]

    def hashes(self) -> Hashes:
        """One number per row that depends on its label only."""
        table = np.append(pd.util.hash_array(np.array([*self.labels], dtype=object)), np.uint64(0))
        return table[self.codes]


@dataclass(frozen=True)
class UnusableColumn:
    """A column that no model takes, and why."""

    name: str
    row_hashes: Hashes
    reason: str

    def hashes(self) -> Hashes:
        """One number per row that depends on its content only."""
        return self.row_hashes


Column = NumberColumn | TextColumn | UnusableColumn


@dataclass(frozen=True)
class Table:
    """The typed columns in file order, all of `n_rows`. `notes` and `warnings` are for the log."""

    columns: dict[str, Column]
    n_rows: int
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def number_column(name: str, values: npt.NDArray[np.generic], boolean: bool = False) -> NumberColumn:
    """A column of numbers; infinite values, and those too large for float32, become missing."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    infinite = np.isinf(narrow)
    count = int(infinite.sum())
    if count:
        narrow[infinite] = np.nan
    return NumberColumn(name, narrow, boolean, count)


def infer_type(column: TextColumn, decimals: Iterable[str], warn: Callable[[str], None]) -> Column:
    """What a column of text really is: booleans (true/false), numbers written as text, dates, or text.

    Two words like yes and no stay text: a model is asked in the words of the table. Numbers may have thousands marks
    or a percent sign (5% is 5); what is no number in a column of numbers becomes missing, with a warning. `decimals`
    are the decimal marks of the files that the texts come from.
    """
    labels = column.labels
    if labels and {label.lower() for label in labels} <= {"true", "false"}:
        return number_column(
            column.name, _take([float(label.lower() == "true") for label in labels], column.codes), True
        )
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(labels))
    present = int(counts.sum())
    if present == 0:
        return column
    marks = sorted(decimals)
    numbers = np.array([_number(label, marks) for label in labels], dtype=np.float64)
    bad = np.isnan(numbers)
    if counts[~bad].sum() >= NUMBER_SHARE * present and present > 1:
        shown = ", ".join(repr(label) for label in np.array(labels, dtype=object)[bad][:3])
        if bad.any():
            warn(f"Column {column.name!r}: {int(counts[bad].sum())} values are no numbers ({shown}); taken as missing.")
        return number_column(column.name, _take(numbers, column.codes))
    if all(_DATE.fullmatch(label) for label in labels[:1000]):
        return UnusableColumn(column.name, column.hashes(), "dates are not used; derive a number from them")
    return column


def is_row_number(column: Column) -> bool:
    """Whether a column only numbers the rows: it is called so, and counts up or has a number of its own in each row."""
    if not isinstance(column, NumberColumn) or not _ROW_NUMBER.fullmatch(column.name):
        return False
    steps = np.diff(column.values)
    return bool((steps == 1).sum() >= ROW_NUMBER_SHARE * max(len(steps), 1)) or _is_distinct(column.values)


def is_identifier(column: Column) -> bool:
    """Whether a column of whole, distinct numbers is named like an identifier."""
    if not isinstance(column, NumberColumn) or not _IDENTIFIER.fullmatch(column.name):
        return False
    return _is_distinct(column.values)


def _is_distinct(values: Floats) -> bool:
    whole = not np.isnan(values).any() and bool(np.all(values == np.floor(values)))
    # Huge neighbours may fall together.
    return whole and len(np.unique(values)) >= min(ROW_NUMBER_SHARE * len(values), EXACT_BELOW // 2)


def _take(values: npt.ArrayLike, codes: Codes) -> npt.NDArray[np.float64]:
    table = np.append(np.asarray(values, dtype=np.float64), np.nan)
    return np.asarray(table[codes], dtype=np.float64)


def _number(label: str, decimals: Iterable[str]) -> float:
    """The number that a text is under each of the decimal marks, NaN where there is none or more than one."""
    found = {_parsed(label, decimal) for decimal in decimals}
    return found.pop() if len(found) == 1 else np.nan


def _parsed(label: str, decimal: str) -> float:
    try:
        return parse_number(label, decimal)
    except ValueError:
        return np.nan
