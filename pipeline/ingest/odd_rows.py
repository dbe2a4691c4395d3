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
from pipeline.ingest.row_summaries import NUMBER_SHARE, ColumnNumbers

MAX_LISTED: Final = 5
LAST_ROWS: Final = 10  # among which totals and notes are looked for
MIN_DISTINCT: Final = 5  # values of a column whose sum or median is no chance
MIN_ROWS: Final = 5  # whose sum a row must hold that is not called a total
MAX_LABELS: Final = 2_000  # of a column in which subtotals may be called so
SUM_TOLERANCE: Final = 5e-3  # relative: totals are rounded
EXACT_TOLERANCE: Final = 1e-7  # of a row that is not called a total
_SUM: Final = (
    r"totals?|totale?s?|totaal|totalt|totali|sum|sums|summe|summen|gesamt|insgesamt|suma|somme|celkem|razem|toplam|összesen"
    r"|yhteensä|i alt|ukupno|overall|all|итого|всего|合計|总计|總計|合计|计|小計|합계|총계|σ|Σ|zusammen|ergebnis"
)
_MEAN: Final = r"averages?|avg\.?|mean|mittelwert|mittel|durchschnitt|moyenne|promedio|média|media"
_OTHER_SUMMARY: Final = (
    r"median|min\.?|max\.?|minimum|maximum|std\.?|std\.? ?dev\.?|stdev|sd|standard deviation|count|n"
)
_PREFIX: Final = r"(?:grand[ -]?|sub[ -]?|over|report |overall |netto ?|brutto ?|net |gross )?"
# A total by its name alone; one with other words as well, such as North Total, must hold the sums of all columns.
_TOTAL: Final = re.compile(
    rf"{_PREFIX}(?:{_SUM}|{_MEAN}|gesamtsumme|gesamtergebnis|teilergebnis|zwischensumme|subtotal)[ :.]*", re.IGNORECASE
)
_CALLED_TOTAL: Final = re.compile(rf"(?:.*\b)?{_PREFIX}(?:{_SUM}|{_MEAN})\b.*", re.IGNORECASE)
_SURE_TOTAL: Final = re.compile(r"(?:grand[ -]?)?(?:totals?|summe|gesamt|insgesamt|gesamtsumme)[ :.]*", re.IGNORECASE)
_AVERAGE: Final = re.compile(rf"{_PREFIX}(?:{_MEAN})[ :.]*", re.IGNORECASE)
# What stands in a row of units: kg, °C, m/s, %, [-], (cm).
_UNIT: Final = re.compile(r"[\[(<{].*[\])>}]|\S{0,3}%|\S{1,3}|\S{1,6}[/^*·²³]\S{0,6}")
MAX_UNIT_CHARS: Final = 12
_SUMMARY: Final = re.compile(rf"(?:{_OTHER_SUMMARY})[ :.]*", re.IGNORECASE)

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


def _totals(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the rows that sum up others: subtotals of those since the last one, and of all among the first and last rows."""
    numbers = ColumnNumbers(columns)
    dropped = dropped.copy()
    rows = _subtotals(columns, numbers, n_rows, dropped)
    for row in dict.fromkeys([*reversed(_last_rows(n_rows, dropped)), *([] if dropped[0] else [0])]):
        others = ~dropped
        others[row:] = False
        if row == 0:
            others = ~dropped
            others[0] = False
        if _is_total(columns, numbers, row, others):
            rows.append(row)
            dropped[row] = True
    return np.array(sorted(rows), dtype=np.intp)


def _subtotals(columns: Mapping[str, Column], numbers: ColumnNumbers, n_rows: int, dropped: Mask) -> list[int]:
    called = np.zeros(n_rows, dtype=np.bool_)
    for column in columns.values():
        if isinstance(column, TextColumn) and len(column.labels) <= MAX_LABELS:
            codes = [i for i, label in enumerate(column.labels) if _CALLED_TOTAL.fullmatch(label)]
            if codes:
                called |= np.isin(column.codes, codes)
    rows, start = [], 0
    for row in np.flatnonzero(called & ~dropped).tolist():
        others = np.zeros(n_rows, dtype=np.bool_)
        others[start:row] = ~dropped[start:row]
        n_same, n_other = numbers.compare(row, others, ("sum",), EXACT_TOLERANCE)
        if n_same and not n_other and row < n_rows - 1:
            rows.append(row)
            dropped[row] = True
            start = row + 1
    return rows


def _is_total(columns: Mapping[str, Column], numbers: ColumnNumbers, row: int, others: Mask) -> bool:
    named = [
        (column, label)
        for column in columns.values()
        if isinstance(column, TextColumn) and (label := _label(column, row)) and _is_called_summary(label)
    ]
    if not named and not numbers.may_be_sum(row):
        return False
    labels = [label for column, label in named if _is_once(column, row)]
    if any(map(_AVERAGE.fullmatch, labels)):
        n_same, n_other = numbers.compare(row, others, ("mean",), SUM_TOLERANCE)
        return n_same > 0 and not n_other
    if any(map(_TOTAL.fullmatch, labels)):
        n_same, _ = numbers.compare(row, others, ("sum",), SUM_TOLERANCE)
        is_sure = any(map(_SURE_TOTAL.fullmatch, labels))
        return n_same > 0 or (is_sure and numbers.is_beyond(row, others))
    if any(map(_SUMMARY.fullmatch, labels)):
        n_same, n_other = numbers.compare(row, others, ("median", "min", "max", "std"), SUM_TOLERANCE, MIN_DISTINCT)
        return n_same > 1 and not n_other and _has_other_summary(columns, row)
    is_called = any(map(_CALLED_TOTAL.fullmatch, labels))
    if others.sum() < MIN_ROWS or not (is_called or numbers.may_be_sum(row)):
        return False
    has_label = any(isinstance(column, TextColumn) and _label(column, row) for column in columns.values())
    n_same, n_other = numbers.compare(
        row, others, ("sum",), SUM_TOLERANCE if is_called else EXACT_TOLERANCE, 2 if is_called else MIN_DISTINCT
    )
    # Two sums are no chance; nor is one where all words are missing.
    has_words = any(isinstance(column, TextColumn) for column in columns.values())
    return not n_other and n_same > (0 if is_called or (has_words and not has_label) else 1)


def _is_called_summary(label: str) -> bool:
    return any(pattern.fullmatch(label) for pattern in (_CALLED_TOTAL, _TOTAL, _AVERAGE, _SUMMARY))


def _has_other_summary(columns: Mapping[str, Column], row: int) -> bool:
    """Return whether a row next to this one is called a summary, too: one alone may be somebody called Max."""
    n_rows = max(len(column.codes) for column in columns.values() if isinstance(column, TextColumn))
    return any(
        isinstance(column, TextColumn)
        and any(pattern.fullmatch(_label(column, other)) for pattern in (_SUMMARY, _TOTAL, _AVERAGE))
        for other in (row - 1, row + 1)
        if 0 <= other < n_rows
        for column in columns.values()
    )


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
        if len(filled) != 1 and not (is_called_so and _is_prefix(filled, columns)):
            break
        if not isinstance(column, TextColumn) or not _is_once(column, row):
            break
        label = _label(column, row)
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


_KINDS: Final[dict[str, Callable[[Mapping[str, Column], int, Mask], npt.NDArray[np.intp]]]] = {
    "the header again": _repeated_headers,
    "units and not values": _unit_rows,
    "a total or an average of the others": _totals,
    "a note below the table": _notes,
}
