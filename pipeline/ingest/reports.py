"""Says how columns were read that came as numbers or dates at once, and what in them is doubtful."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.sentences import plural
from pipeline.core.table_profile import ColumnReport
from pipeline.ingest.columns import DateColumn, NumberColumn
from pipeline.ingest.inference import N_EXAMPLES
from pipeline.ingest.untyped import MIN_TOKEN_ROWS, MIN_VALUES

N_SHOWN_ROWS: Final = 100  # among which examples are looked for
# Numbers that programs write for missing ones.
SENTINELS: Final = frozenset(
    np.float32(sign * number)
    for sign in (1, -1)
    for number in (99, 999, 9999, 99999, 999999, 8888, 7777, 32768, 1e20, 1e30)
)
FAR: Final = 2  # times the range of the other values


def report_of_numbers(column: NumberColumn) -> ColumnReport:
    """Return the report of a column that was read as plain numbers or booleans."""
    first = column.values[:N_SHOWN_ROWS]
    present = first[~np.isnan(first)]
    distinct = [f"{value:g}" for value in dict.fromkeys(present.tolist())]
    kind = "boolean" if column.boolean else "numeric"
    remarks = ["decimal commas"] if column.reading.decimal == "," and not np.all(present == np.floor(present)) else []
    return ColumnReport(
        name=column.name, kind=kind, reading=column.reading, examples=distinct[:N_EXAMPLES], remarks=remarks
    )


def doubtful_number(column: NumberColumn) -> str:
    """Return a warning for a number such as -999 that repeats far from all others, as one that stands for missing, or ""."""
    # As nearly always neither end is one: no need to look further.
    ends = {float(np.fmin.reduce(column.values)), float(np.fmax.reduce(column.values))}
    if column.boolean or len(column.values) < MIN_VALUES or not ends & SENTINELS:
        return ""
    values = column.values[~np.isnan(column.values)]
    if len(np.unique(values[:1000])) < MIN_VALUES:
        return ""
    for number in (values.min(), values.max()):
        if float(number) in SENTINELS:
            others = values[values != number]
            n_rows = len(values) - len(others)
            if n_rows >= MIN_TOKEN_ROWS and len(others) and _is_far(float(number), others):
                return (
                    f"Column {column.name!r}: {number:g} stands in {plural(n_rows, 'row')}, far from all other values. If it means "
                    f"missing, name it in columns.{column.name}.missing."
                )
    return ""


def _is_far(number: float, others: npt.NDArray[np.float32]) -> bool:
    low, high = float(others.min()), float(others.max())
    return (number < 0 <= low) or min(abs(number - low), abs(number - high)) > FAR * max(high - low, 1.0)


def report_of_dates(column: DateColumn) -> ColumnReport:
    """Return the report of a column of more distinct dates than texts are kept."""
    examples = [text for text in dict.fromkeys(column.texts(slice(N_SHOWN_ROWS)).tolist()) if text]
    return ColumnReport(name=column.name, kind="date", reading=column.reading, examples=examples[:N_EXAMPLES])
