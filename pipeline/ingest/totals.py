"""Finds rows that sum up others: totals, averages and the like."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.ingest import number_reading
from pipeline.ingest.columns import Column, NumberColumn, TextColumn
from pipeline.ingest.row_labels import is_once, label_of, last_rows

NUMBER_SHARE: Final = 0.95  # of the texts of a column that is summed up
BEYOND: Final = 3  # times the largest other number
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
_OTHER_SUMMARY: Final = r"median|min\.?|max\.?|minimum|maximum|std\.? ?dev\.?|stdev|standard deviation"
_PREFIX: Final = r"(?:grand[ -]?|sub[ -]?|over|report |overall |netto ?|brutto ?|net |gross )?"
# A total by its name alone; one with other words as well, such as North Total, must hold the sums of all columns.
_TOTAL: Final = re.compile(
    rf"{_PREFIX}(?:{_SUM}|{_MEAN}|gesamtsumme|gesamtergebnis|teilergebnis|zwischensumme|subtotal)[ :.]*", re.IGNORECASE
)
_CALLED_TOTAL: Final = re.compile(rf"(?:.*\b)?{_PREFIX}(?:{_SUM}|{_MEAN})\b.*", re.IGNORECASE)
_SURE_TOTAL: Final = re.compile(r"(?:grand[ -]?)?(?:totals?|summe|gesamt|insgesamt|gesamtsumme)[ :.]*", re.IGNORECASE)
_AVERAGE: Final = re.compile(rf"{_PREFIX}(?:{_MEAN})[ :.]*", re.IGNORECASE)
_SUMMARY: Final = re.compile(rf"(?:{_OTHER_SUMMARY})[ :.]*", re.IGNORECASE)

Mask = npt.NDArray[np.bool_]


def find_totals(columns: Mapping[str, Column], n_rows: int, dropped: Mask) -> npt.NDArray[np.intp]:
    """Return the rows that sum up others: subtotals of those since the last one, and of all among the first and last rows."""
    numbers = _Numbers(columns)
    dropped = dropped.copy()
    rows = _subtotals(columns, numbers, n_rows, dropped)
    for row in dict.fromkeys([*reversed(last_rows(n_rows, dropped)), *([] if dropped[0] else [0])]):
        others = ~dropped
        others[row:] = False
        if row == 0:
            others = ~dropped
            others[0] = False
        if _is_total(columns, numbers, row, others):
            rows.append(row)
            dropped[row] = True
    return np.array(sorted(rows), dtype=np.intp)


def _subtotals(columns: Mapping[str, Column], numbers: "_Numbers", n_rows: int, dropped: Mask) -> list[int]:
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


def _is_total(columns: Mapping[str, Column], numbers: "_Numbers", row: int, others: Mask) -> bool:
    named = [
        (column, label)
        for column in columns.values()
        if isinstance(column, TextColumn) and (label := label_of(column, row)) and _is_called_summary(label)
    ]
    if not named and not numbers.may_be_sum(row):
        return False
    labels = [label for column, label in named if is_once(column, row)]
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
    has_label = any(isinstance(column, TextColumn) and label_of(column, row) for column in columns.values())
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
        and any(pattern.fullmatch(label_of(column, other)) for pattern in (_SUMMARY, _TOTAL, _AVERAGE))
        for other in (row - 1, row + 1)
        if 0 <= other < n_rows
        for column in columns.values()
    )


class _Numbers:
    """The columns as numbers, each parsed when it is first asked for."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns
        self._known: dict[str, npt.NDArray[np.float64] | None] = {}

    def compare(
        self, row: int, others: Mask, kinds: Sequence[str], tolerance: float, min_distinct: int = 2
    ) -> tuple[int, int]:
        """Return in how many columns the number in `row` is one of the `kinds` of summary of `others`, and in how many not.

        Columns of fewer than `min_distinct` values do not count: their summaries are values that occur.
        """
        n_same = n_other = 0
        for values in self._of(row):
            rest = values[others]
            rest = rest[~np.isnan(rest)]
            if len(rest) < 2 or len(np.unique(rest[:1000])) < min_distinct:
                continue
            number = float(values[row])
            is_same = (
                any(abs(number - size) <= tolerance * abs(number) for size in _summaries(rest, kinds)) and number != 0
            )
            n_same += is_same
            n_other += not is_same
            if n_other and kinds == ("sum",):
                break
        return n_same, n_other

    def is_beyond(self, row: int, others: Mask) -> bool:
        """Return whether a number is as far beyond the others as only a sum is: it may be of rows that the table does not have."""
        return any(
            len(rest := values[others & ~np.isnan(values)]) > 1
            and float(values[row]) > BEYOND * float(np.abs(rest).max())
            for values in self._of(row)
        )

    def may_be_sum(self, row: int) -> bool:
        """Return False where the first number is smaller than what some others add up to already."""
        values = next(self._of(row, parse=False), None)
        if values is None:
            return False
        sample = np.delete(values[:100], row) if row < len(values[:100]) else values[:100]
        sample = sample[~np.isnan(sample)]
        return bool((sample < 0).any()) or float(values[row]) >= 0.999 * float(sample.sum())

    def _of(self, row: int, *, parse: bool = True) -> Iterator[npt.NDArray[np.float64]]:
        for name, column in self._columns.items():
            if not parse and not isinstance(column, NumberColumn):
                continue
            if name not in self._known:
                self._known[name] = _numbers(column)
            values = self._known[name]
            if values is not None and not np.isnan(values[row]):
                yield values


def _summaries(values: npt.NDArray[np.float64], kinds: Sequence[str]) -> list[float]:
    sizes: dict[str, Callable[[npt.NDArray[np.float64]], Any]] = {
        "sum": np.sum,
        "mean": np.mean,
        "median": np.median,
        "min": np.min,
        "max": np.max,
        "std": lambda rest: np.std(rest, ddof=1),
    }
    return [float(sizes[kind](values)) for kind in kinds]


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
