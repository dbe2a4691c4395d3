"""Columns in memory, and the type of each.

Numbers are float32 from the start, because float32 is what the model is served with. Text is a code per row and a list
of labels. A column that no model can use (identifiers) keeps one hash per row, so that it still
counts for the split.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import PLAIN, Reading
from pipeline.core.table_profile import ColumnReport

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Moments = npt.NDArray[np.datetime64]
Rows = slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]

SECONDS_PER_DAY: Final = 86_400  # durations and moments are numbers of days
EXACT_BELOW: Final = 2**24  # from here on neighbouring whole numbers may be the same float32


@dataclass(frozen=True)
class NumberColumn:
    """float32 [n], NaN where missing. Infinite values count as missing; `infinite` is their number."""

    name: str
    values: Floats
    boolean: bool = False
    infinite: int = 0
    reading: Reading = PLAIN

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Return which rows are not missing."""
        return ~np.isnan(self.values)

    def hashes(self) -> Hashes:
        """Return one hash per row, of its value only: equal values of different widths have equal hashes."""
        return number_hashes(self.values)


@dataclass(frozen=True)
class TextColumn:
    """int32 [n] positions in `labels`, -1 where missing. Labels are stripped, distinct, in order of appearance.

    `row_hashes` are those of the texts as they are written, where labels are not.
    """

    name: str
    codes: Codes
    labels: list[str]
    reading: Reading = PLAIN
    row_hashes: Hashes | None = None

    def hashes(self) -> Hashes:
        """Return one hash per row, of its text as it is written: however a column is read, rows stay in their sets."""
        if self.row_hashes is not None:
            return self.row_hashes
        return text_hashes(self.labels)[self.codes]

    @cached_property
    def label_array(self) -> npt.NDArray[np.object_]:
        """Return the labels, and "" for the code -1."""
        return np.array([*self.labels, ""], dtype=object)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Return which rows are not missing."""
        return np.asarray(self.codes >= 0)

    def texts(self, rows: Rows) -> npt.NDArray[np.object_]:
        """Return the chosen rows, "" where missing."""
        return np.asarray(self.label_array[self.codes[rows]])


@dataclass(frozen=True)
class DateColumn:
    """datetime64[s] [n], NaT where missing."""

    name: str
    moments: Moments
    row_hashes: Hashes
    reading: Reading = PLAIN

    def hashes(self) -> Hashes:
        """Return one hash per row, of its text as it is written."""
        return self.row_hashes

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Return which rows are not missing."""
        return ~np.isnat(self.moments)

    def texts(self, rows: Rows) -> npt.NDArray[np.object_]:
        """Return the chosen rows as `YYYY-MM-DDThh:mm:ss`, "" where missing."""
        return moment_texts(self.moments[rows])


@dataclass(frozen=True)
class FreeTextColumn(TextColumn):
    """A column of texts of several words: `labels` are their words in lower case, with a blank between each two, and may be
    equal; `written` are the texts as they are written.
    """

    written: list[str] = field(default_factory=list)

    def hashes(self) -> Hashes:
        """Return one hash per row, of its text as it is written."""
        return text_hashes(self.written)[self.codes]


@dataclass(frozen=True)
class UnusableColumn:
    """A column that no model can use, and the reason."""

    name: str
    row_hashes: Hashes
    reason: str

    def hashes(self) -> Hashes:
        """Return one hash per row, of its content only."""
        return self.row_hashes


FeatureColumn = NumberColumn | TextColumn | DateColumn
Column = FeatureColumn | UnusableColumn


@dataclass(frozen=True)
class Table:
    """The typed columns in file order, all of `n_rows`. `notes` and `warnings` are for the log.

    `reports` say how each column of the files was read, also those that are no columns here because they number the rows.
    `exact_target` are the values of a numeric target before they were rounded to float32, NaN where missing; None where
    float32 holds them.
    """

    columns: dict[str, Column]
    n_rows: int
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reports: dict[str, ColumnReport] = field(default_factory=dict)
    delimiter: str = ","
    exact_target: npt.NDArray[np.float64] | None = None


def moment_texts(moments: Moments) -> npt.NDArray[np.object_]:
    """Return moments as `YYYY-MM-DDThh:mm:ss`, "" where missing."""
    texts = np.datetime_as_string(moments, unit="s").astype(object)
    texts[np.isnat(moments)] = ""
    return texts


def number_hashes(values: Floats) -> Hashes:
    """Return the hash of each number."""
    canonical = values + np.float32(0)  # -0.0 becomes 0.0
    canonical[np.isnan(canonical)] = np.nan
    return canonical.view(np.uint32).astype(np.uint64)


def text_hashes(labels: Sequence[str]) -> Hashes:
    """Return the hash of each text, and 0 for the code -1."""
    return np.append(pd.util.hash_array(np.array([*labels], dtype=object)), np.uint64(0))


def number_column(name: str, values: npt.NDArray[np.generic], boolean: bool = False) -> NumberColumn:
    """Return a column of numbers; infinite values, and those too large for float32, become missing."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    infinite = np.isinf(narrow)
    n_infinite = int(infinite.sum())
    if n_infinite:
        narrow[infinite] = np.nan
    return NumberColumn(name, narrow, boolean, n_infinite)


def take(column: Column, rows: Rows) -> Column:
    """Return the chosen rows of a column."""
    if isinstance(column, NumberColumn):
        return replace(column, values=column.values[rows])
    if isinstance(column, TextColumn):
        hashes = None if column.row_hashes is None else column.row_hashes[rows]
        return replace(column, codes=column.codes[rows], row_hashes=hashes)
    if isinstance(column, DateColumn):
        return replace(column, moments=column.moments[rows], row_hashes=column.row_hashes[rows])
    return replace(column, row_hashes=column.row_hashes[rows])
