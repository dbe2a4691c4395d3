"""Compares the numbers of a row with sums, means and other summaries of other rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.ingest import number_reading
from pipeline.ingest.columns import Column, NumberColumn, TextColumn

NUMBER_SHARE: Final = 0.95
BEYOND: Final = 3  # times the largest other number

Mask = npt.NDArray[np.bool_]


class ColumnNumbers:
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
        "count": len,
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
