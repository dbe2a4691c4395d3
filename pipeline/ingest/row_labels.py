"""The texts of a row, and the rows at the end of a table."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.ingest.columns import TextColumn

LAST_ROWS: Final = 10  # among which totals and notes are looked for


def last_rows(n_rows: int, dropped: npt.NDArray[np.bool_]) -> list[int]:
    """Return the last rows of data, from the last one up."""
    return [row for row in range(n_rows - 1, max(n_rows - LAST_ROWS, 1) - 1, -1) if not dropped[row]]


def label_of(column: TextColumn, row: int) -> str:
    """Return the text of a row as it is written, "" where there is none."""
    code = int(column.codes[row])
    return column.labels[code] if code >= 0 else ""


def is_once(column: TextColumn, row: int) -> bool:
    """Return whether no other row has the text of this one."""
    return int((column.codes == column.codes[row]).sum()) == 1
