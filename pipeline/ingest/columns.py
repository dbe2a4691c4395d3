"""Columns in memory, and the type of each.

Numbers are float32 from the start, because float32 is what the model is served with. Text is a code per row and a list
of labels. A column that no model can use (free text, identifiers, dates) keeps one hash per row, so that it still
counts for the split.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import PLAIN, Reading, read_number
from pipeline.core.sentences import plural
from pipeline.core.table_profile import ColumnReport

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]

EXACT_BELOW: Final = 2**24  # from here on neighbouring whole numbers may be the same float32
NUMBER_SHARE: Final = 0.95  # of the present values; a text column with at least this share of numbers is numeric
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
    """float32 [n], NaN where missing. Infinite values count as missing; `infinite` is their number."""

    name: str
    values: Floats
    boolean: bool = False
    infinite: int = 0
    reading: Reading = PLAIN

    def hashes(self) -> Hashes:
        """Return one hash per row, of its value only: equal values of different widths have equal hashes."""
        canonical = self.values + np.float32(0)  # -0.0 becomes 0.0
        canonical[np.isnan(canonical)] = np.nan
        return canonical.view(np.uint32).astype(np.uint64)


@dataclass(frozen=True)
class TextColumn:
    """int32 [n] positions in `labels`, -1 where missing. Labels are stripped, distinct, in order of appearance."""

    name: str
    codes: Codes
    labels: list[str]
    reading: Reading = PLAIN

    def hashes(self) -> Hashes:
        """Return one hash per row, of its label only."""
        table = np.append(pd.util.hash_array(np.array([*self.labels], dtype=object)), np.uint64(0))
        return table[self.codes]


class DateColumn(TextColumn):
    """A column of dates: `labels` are `YYYY-MM-DDThh:mm:ss`."""


@dataclass(frozen=True)
class UnusableColumn:
    """A column that no model can use, and the reason."""

    name: str
    row_hashes: Hashes
    reason: str

    def hashes(self) -> Hashes:
        """Return one hash per row, of its content only."""
        return self.row_hashes


Column = NumberColumn | TextColumn | UnusableColumn


@dataclass(frozen=True)
class Table:
    """The typed columns in file order, all of `n_rows`. `notes` and `warnings` are for the log.

    `reports` say how each column of the files was read, also those that are no columns here because they number the rows.
    """

    columns: dict[str, Column]
    n_rows: int
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reports: dict[str, ColumnReport] = field(default_factory=dict)
    delimiter: str = ","


def number_column(name: str, values: npt.NDArray[np.generic], boolean: bool = False) -> NumberColumn:
    """Return a column of numbers; infinite values, and those too large for float32, become missing."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    infinite = np.isinf(narrow)
    n_infinite = int(infinite.sum())
    if n_infinite:
        narrow[infinite] = np.nan
    return NumberColumn(name, narrow, boolean, n_infinite)


def infer_type(column: TextColumn, decimals: Iterable[str], warn: Callable[[str], None]) -> Column:
    """Return a text column as the type that its labels have: boolean (true/false), number, date, or still text.

    Two words like yes and no stay text, so that requests use the words of the table. Numbers may have thousands
    separators or a percent sign (5% is 5); other values in a numeric column become missing, with a warning. `decimals`
    are the decimal marks of the files that the texts come from.
    """
    labels = column.labels
    if labels and {label.lower() for label in labels} <= {"true", "false"}:
        return number_column(
            column.name, _by_code([float(label.lower() == "true") for label in labels], column.codes), True
        )
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(labels))
    present = int(counts.sum())
    if present == 0:
        return column
    numbers = _to_numbers(labels, decimals)
    other = np.isnan(numbers)
    if counts[~other].sum() >= NUMBER_SHARE * present and present > 1:
        if other.any():
            examples = ", ".join(repr(label) for label in np.array(labels, dtype=object)[other][:3])
            n_other = int(counts[other].sum())
            values = plural(n_other, "non-numeric value")
            warn(f"Column {column.name!r}: {values} treated as missing ({examples}).")
        return number_column(column.name, _by_code(numbers, column.codes))
    if all(_DATE.fullmatch(label) for label in labels[:1000]):
        return UnusableColumn(column.name, column.hashes(), "dates are not used; derive a number from them")
    return column


def is_row_number(column: Column) -> bool:
    """Return True for a column that only numbers the rows: by its name, and because it counts up or never repeats."""
    if not isinstance(column, NumberColumn) or not _ROW_NUMBER.fullmatch(column.name):
        return False
    steps = np.diff(column.values)
    return bool((steps == 1).sum() >= ROW_NUMBER_SHARE * max(len(steps), 1)) or _is_distinct(column.values)


def is_identifier(column: Column) -> bool:
    """Return True for a column of distinct whole numbers that is named like an identifier."""
    if not isinstance(column, NumberColumn) or not _IDENTIFIER.fullmatch(column.name):
        return False
    return _is_distinct(column.values)


def _is_distinct(values: Floats) -> bool:
    whole = not np.isnan(values).any() and bool(np.all(values == np.floor(values)))
    # Huge neighbouring numbers may be the same float32.
    return whole and len(np.unique(values)) >= min(ROW_NUMBER_SHARE * len(values), EXACT_BELOW // 2)


def _by_code(values: npt.ArrayLike, codes: Codes) -> npt.NDArray[np.float64]:
    table = np.append(np.asarray(values, dtype=np.float64), np.nan)
    return np.asarray(table[codes], dtype=np.float64)


def _to_numbers(labels: list[str], decimals: Iterable[str]) -> npt.NDArray[np.float64]:
    """Return the one number that each text means under all of the decimal marks, else NaN."""
    readings = np.array([[_parse_or_nan(label, decimal) for label in labels] for decimal in decimals])
    return np.where((readings == readings[0]).all(axis=0), readings[0], np.nan)


def _parse_or_nan(label: str, decimal: str) -> float:
    try:
        return read_number(label, Reading(decimal))
    except ValueError:
        return np.nan
