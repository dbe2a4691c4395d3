"""Finds quotes that belong to no cell: an inch sign or a forgotten quote would swallow all rows up to the next one."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

_BLOCK_BYTES: Final = 2**20
_QUOTE: Final = ord('"')


def has_open_lines(path: Path) -> bool:
    """Return whether a line has an odd number of quotes: a cell with a line break, or a stray quote."""
    n_left = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if b'"' not in block and not n_left:
                continue
            characters = np.frombuffer(block, dtype=np.uint8)
            line_of_quote = np.searchsorted(
                np.flatnonzero(characters == ord("\n")), np.flatnonzero(characters == _QUOTE)
            )
            n_lines = block.count(b"\n")
            counts = np.bincount(line_of_quote, minlength=n_lines + 1)
            counts[0] += n_left
            if (counts[:n_lines] % 2).any():
                return True
            n_left = int(counts[n_lines])
    return n_left % 2 == 1


def is_well_quoted(path: Path, delimiter: str, n_columns: int, n_skipped: int) -> bool:
    """Return whether each quote that closes a cell is followed by a delimiter or the end of a row, and rows are even."""
    with path.open(encoding="utf-8-sig", newline="") as text:
        lines = islice(text, n_skipped, None)
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            return all(len(row) == n_columns for row in islice((row for row in rows if row), 1, None))
        except csv.Error:
            return False


def first_swallowing_line(path: Path, delimiter: str, n_columns: int) -> tuple[int, int]:
    """Return the first line with a cell that holds whole rows, and how many line breaks are in it; 0 and 0 without one.

    A cell from one column of a row to the same column of a later one holds as many delimiters as the rows between them.
    """
    with path.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
        before = 0
        for row in rows:
            if rows.line_num > before + 1:
                for cell in row:
                    n_breaks = cell.rstrip("\r\n").count("\n")  # one that is never closed ends with the file
                    if n_breaks and cell.count(delimiter) >= (n_columns - 1) * n_breaks:
                        return before + 1, n_breaks
            before = rows.line_num
    return 0, 0


def is_even_without_quotes(path: Path, delimiter: str, n_columns: int, n_skipped: int) -> bool:
    """Return whether each line below the first `n_skipped` has as many cells as the header if quotes mean nothing."""
    with path.open(encoding="utf-8-sig", newline="") as text:
        lines: Iterator[str] = iter(text)
        for _ in range(n_skipped):
            next(lines, "")
        return all(line.count(delimiter) == n_columns - 1 for line in lines if line.strip())
