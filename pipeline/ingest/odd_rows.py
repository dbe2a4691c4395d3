"""Finds rows of a table that are no data: the header once more, units below it, totals and notes at its end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import PLAIN
from pipeline.core.sentences import listed, plural
from pipeline.ingest import number_reading
from pipeline.ingest.columns import Column, NumberColumn, TextColumn, UnusableColumn
from pipeline.ingest.notes import NOTE

MAX_LISTED: Final = 5
LAST_ROWS: Final = 10  # among which totals and notes are looked for
NUMBER_SHARE: Final = 0.95
SUM_TOLERANCE: Final = 5e-3  # relative: totals are rounded
BEYOND: Final = 3  # times the largest other number
_TOTAL: Final = re.compile(
    r"(grand |sub ?|over)?(totals?|totale?s?|sum|summe|gesamt|insgesamt|suma|somme|average|mean|mittelwert|durchschnitt)\b.*",
    re.IGNORECASE,
)

Mask = npt.NDArray[np.bool_]


@dataclass
class OddRows:
    """`drop` are the rows that are no data; `remarks` say which and why."""

    drop: Mask
    remarks: list[str] = field(default_factory=list)

    def add(self, rows: npt.NDArray[np.intp], what: str) -> None:
        """Leave out `rows`, which are `what`."""
        if len(rows):
            self.drop[rows] = True
            places = listed([str(row + 1) for row in rows.tolist()], MAX_LISTED)
            verb = "is" if len(rows) == 1 else "are"
            self.remarks.append(f"{plural(len(rows), 'row')} {verb} {what}, left out: row {places} of the table.")


def find(columns: Mapping[str, Column], n_rows: int) -> OddRows:
    """Return the rows of the table that are no data. Columns are as they were read: texts are not parsed yet."""
    odd = OddRows(np.zeros(n_rows, dtype=np.bool_))
    odd.add(_repeated_headers(columns, n_rows), "the header again")
    odd.add(_unit_row(columns, n_rows, odd.drop), "units and not values")
    odd.add(_totals(columns, n_rows, odd.drop), "a total or an average of the others")
    odd.add(_notes(columns, n_rows, odd.drop), "a note below the table")
    return odd


def _repeated_headers(columns: Mapping[str, Column], n_rows: int) -> npt.NDArray[np.intp]:
    """Return the rows in which each column holds its own name."""
    found = np.ones(n_rows, dtype=np.bool_)
    n_checked = 0
    for name, column in columns.items():
        if isinstance(column, UnusableColumn):
            continue
        if not isinstance(column, TextColumn) or name.strip() not in column.labels:
            return np.array([], dtype=np.intp)
        found &= column.codes == column.labels.index(name.strip())
        n_checked += 1
    return np.flatnonzero(found) if n_checked > 1 else np.array([], dtype=np.intp)


def _unit_row(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the first row if it holds words where columns otherwise hold numbers, and nothing that occurs again."""
    none = np.array([], dtype=np.intp)
    if n_rows < 3 or dropped[0]:
        return none
    n_words = 0
    for column in columns.values():
        if isinstance(column, UnusableColumn):
            continue
        if not isinstance(column, TextColumn):
            if column.present[0]:
                return none  # a number: a row of data
            continue
        code = int(column.codes[0])
        if code < 0:
            continue
        _, is_word = number_reading.parse([column.labels[code]], PLAIN)
        if not is_word[0] or int((column.codes == code).sum()) > 1:
            return none
        n_words += _is_odd_one_out(column, code)
    return np.array([0], dtype=np.intp) if n_words else none


def _is_odd_one_out(column: TextColumn, code: int) -> bool:
    """Return whether all labels but `code` are numbers, and that one is none."""
    labels = [label for i, label in enumerate(column.labels) if i != code][:1000]
    if not labels:
        return False
    counts = np.ones(len(labels), dtype=np.int64)
    reading = number_reading.decide(labels, counts, "", "").reading
    numbers, _ = number_reading.parse(labels, reading)
    _, unread = number_reading.parse([column.labels[code]], reading)
    return bool(unread[0]) and (~np.isnan(numbers)).sum() >= NUMBER_SHARE * len(labels)


def _totals(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the last rows that are called a total and in some column hold the sum or the mean of the rows before."""
    rows = []
    for row in _last_rows(n_rows, dropped):
        named = [
            column
            for column in columns.values()
            if isinstance(column, TextColumn) and (label := _label(column, row)) and _TOTAL.fullmatch(label)
        ]
        if not any(_is_once(column, row) for column in named):
            continue
        if any(_is_sum(column, row, dropped) for column in columns.values()):
            rows.append(row)
    return np.array(rows, dtype=np.intp)


def _notes(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the last rows of which only one cell is filled, with a text that occurs once and reads like a note."""
    rows = []
    for row in _last_rows(n_rows, dropped):
        if any(isinstance(column, UnusableColumn) for column in columns.values()):
            break
        filled = [column for column in columns.values() if not _is_missing(column, row)]
        if not filled or len(columns) < 2:
            break
        column = filled[0]
        # One that says so may hold the delimiter.
        is_called_so = isinstance(column, TextColumn) and bool(NOTE.fullmatch(_label(column, row)))
        if len(filled) != 1 and not (is_called_so and len(filled) < len(columns)):
            break
        if not isinstance(column, TextColumn) or not _is_once(column, row):
            break
        label = _label(column, row)
        if not (
            NOTE.fullmatch(label)
            or len(label) > 3 * max(len(other) for other in column.labels if other != label)
            or _is_odd_one_out(column, int(column.codes[row]))
        ):
            break
        rows.append(row)
        dropped = dropped.copy()
        dropped[row] = True
    return np.array(sorted(rows), dtype=np.intp)


def _last_rows(n_rows: int, dropped: Mask) -> list[int]:
    """Return the last rows of data, from the last one up."""
    return [row for row in range(n_rows - 1, max(n_rows - LAST_ROWS, 1) - 1, -1) if not dropped[row]]


def _label(column: TextColumn, row: int) -> str:
    code = int(column.codes[row])
    return column.labels[code] if code >= 0 else ""


def _is_missing(column: Column, row: int) -> bool:
    return not isinstance(column, UnusableColumn) and not column.present[row]


def _is_once(column: TextColumn, row: int) -> bool:
    return int((column.codes == column.codes[row]).sum()) == 1


def _is_sum(column: Column, row: int, dropped: Mask) -> bool:
    """Return whether a number is the sum or the mean of those before it, or as far beyond them as only a sum is: a total may
    be of rows that the table does not have.
    """
    values = _numbers(column)
    if values is None or np.isnan(values[row]):
        return False
    others = values[:row][~dropped[:row]]
    others = others[~np.isnan(others)]
    if len(others) < 2 or np.all(others == others[0]):
        return False
    tolerance = SUM_TOLERANCE * abs(float(values[row]))
    if float(values[row]) > BEYOND * float(np.abs(others).max()):
        return True
    return any(abs(float(values[row]) - size) <= tolerance for size in (others.sum(), others.mean()))


def _numbers(column: Column) -> npt.NDArray[np.float64] | None:
    if isinstance(column, NumberColumn):
        return column.values.astype(np.float64)
    if not isinstance(column, TextColumn) or not column.labels:
        return None
    counts = np.ones(len(column.labels), dtype=np.int64)
    numbers, unread = number_reading.parse(column.labels, number_reading.decide(column.labels, counts, "", "").reading)
    if unread.mean() > 1 - NUMBER_SHARE:
        return None
    return np.append(numbers, np.nan)[column.codes]
