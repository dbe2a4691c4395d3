"""Finds rows of a table that are no data: the header once more, units below it, totals and notes at its end."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import MISSING_NUMBERS, MISSING_TOKENS, PLAIN
from pipeline.core.sentences import listed, plural
from pipeline.ingest import number_reading
from pipeline.ingest.columns import Column, TextColumn, UnusableColumn, take
from pipeline.ingest.notes import NOTE
from pipeline.ingest.row_labels import is_once, label_of, last_rows
from pipeline.ingest.totals import NUMBER_SHARE, find_totals

MAX_LISTED: Final = 5
# What stands in a row of units: kg, °C, m/s, %, [-], (cm).
_UNIT: Final = re.compile(r"[\[(<{].*[\])>}]|\S{0,3}%|\S{1,3}|\S{1,6}[/^*·²³]\S{0,6}")
MAX_UNIT_CHARS: Final = 12

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


def find(columns: Mapping[str, Column], file_rows: Sequence[int]) -> OddRows:
    """Return the rows of the table that are no data: of each file, which has so many of the rows, by itself.

    Columns are as they were read: texts are not parsed yet.
    """
    odd = OddRows(np.zeros(sum(file_rows), dtype=np.bool_))
    found: dict[str, list[npt.NDArray[np.intp]]] = {}
    start = 0
    for n_rows in file_rows:
        rows = slice(start, start + n_rows)
        of_file = columns if len(file_rows) == 1 else {name: take(column, rows) for name, column in columns.items()}
        dropped = np.zeros(n_rows, dtype=np.bool_)
        for what, find_rows in _KINDS.items():
            places = find_rows(of_file, n_rows, dropped)
            dropped[places] = True
            found.setdefault(what, []).append(places + start)
        start += n_rows
    for what, rows_of_files in found.items():
        odd.add(np.concatenate(rows_of_files), what)
    return odd


def _repeated_headers(columns: Mapping[str, Column], n_rows: int, _dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the rows in which each column holds its own name, in whatever case."""
    found = np.ones(n_rows, dtype=np.bool_)
    n_checked = 0
    for name, column in columns.items():
        if isinstance(column, UnusableColumn):
            continue
        spellings = {name.strip(), name.strip().lower(), name.strip().upper(), name.strip().title()}
        codes = [
            column.labels.index(text) for text in spellings if isinstance(column, TextColumn) and text in column.labels
        ]
        if not isinstance(column, TextColumn) or not codes:
            return np.array([], dtype=np.intp)
        found &= np.isin(column.codes, codes)
        n_checked += 1
    return np.flatnonzero(found) if n_checked > 1 else np.array([], dtype=np.intp)


def _unit_rows(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the first row, or two, if they hold words where columns otherwise hold numbers, and nothing that occurs again."""
    rows = []
    for row in range(min(2, n_rows - 2)):
        if dropped[row] or not _is_of_units(columns, row):
            break
        rows.append(row)
    return np.array(rows, dtype=np.intp)


def _is_of_units(columns: Mapping[str, Column], row: int) -> bool:
    units: list[str] = []
    for column in columns.values():
        if isinstance(column, UnusableColumn):
            continue
        if not isinstance(column, TextColumn):
            if column.present[row]:
                return False  # a number: a row of data
            continue
        code = int(column.codes[row])
        if code < 0:
            continue
        label = column.labels[code]
        is_no_number = np.isnan(number_reading.parse([label], PLAIN)[0][0])
        # s and - may be seconds and without a unit, and missing further down.
        may_repeat = label in MISSING_TOKENS or label.lower() in MISSING_NUMBERS
        if not is_no_number or (not may_repeat and int((column.codes == code).sum()) > 1):
            return False
        if label not in MISSING_TOKENS and _is_odd_one_out(column, row):
            units.append(label)
    are_short = all(len(unit) <= MAX_UNIT_CHARS or _UNIT.fullmatch(unit) for unit in units)
    n_sure = sum(_UNIT.fullmatch(unit) is not None for unit in units)
    return are_short and (n_sure > 0 or len(units) > 1)


def _is_odd_one_out(column: TextColumn, row: int) -> bool:
    """Return whether all labels but those of the first rows and missing ones are numbers, and that of `row` is none."""
    aside = {int(code) for code in column.codes[:2]} | {int(column.codes[row])}
    labels = [label for i, label in enumerate(column.labels) if i not in aside][:1000]
    if not labels:
        return False
    counts = np.ones(len(labels), dtype=np.int64)
    reading = number_reading.decide(labels, counts, "", "").reading
    numbers, unread = number_reading.parse(labels, reading)
    label, _ = number_reading.parse([column.labels[int(column.codes[row])]], reading)
    return bool(np.isnan(label[0])) and not np.isnan(numbers).all() and unread.sum() <= (1 - NUMBER_SHARE) * len(labels)


def _notes(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the last rows of which only one cell is filled, with a text that occurs once and reads like a note."""
    rows = []
    for row in last_rows(n_rows, dropped):
        if any(isinstance(column, UnusableColumn) for column in columns.values()):
            break
        filled = [column for column in columns.values() if not _is_missing(column, row)]
        if not filled or len(columns) < 2:
            break
        column = filled[0]
        # One that says so may hold the delimiter.
        is_called_so = isinstance(column, TextColumn) and bool(NOTE.fullmatch(label_of(column, row)))
        if len(filled) != 1 and not (is_called_so and _is_prefix(filled, columns)):
            break
        if not isinstance(column, TextColumn) or not is_once(column, row):
            break
        label = label_of(column, row)
        if not (
            NOTE.fullmatch(label)
            or len(label) > 3 * max((len(other) for other in column.labels if other != label), default=len(label))
            or _is_odd_one_out(column, row)
        ):
            break
        rows.append(row)
        dropped = dropped.copy()
        dropped[row] = True
    return np.array(sorted(rows), dtype=np.intp)


def _is_prefix(filled: list[Column], columns: Mapping[str, Column]) -> bool:
    """Return whether the filled cells are the first of a row, and words: the parts of a note with a comma."""
    first = [*columns.values()][: len(filled)]
    are_first = len(filled) < len(columns) and all(a is b for a, b in zip(filled, first, strict=True))
    return are_first and all(isinstance(column, TextColumn) for column in filled)


def _is_missing(column: Column, row: int) -> bool:
    return not isinstance(column, UnusableColumn) and not column.present[row]


_KINDS: Final[dict[str, Callable[[Mapping[str, Column], int, Mask], npt.NDArray[np.intp]]]] = {
    "the header again": _repeated_headers,
    "units and not values": _unit_rows,
    "a total or an average of the others": find_totals,
    "a note below the table": _notes,
}
