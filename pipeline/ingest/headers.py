"""What every raw file has, whatever its format: a header with names that can be used."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.ingest.problems import HeaderError, TooManyColumnsError

MAX_COLUMNS: Final = 2000


@dataclass(frozen=True)
class Source:
    """One raw file. `columns` are its names in file order, None for an unnamed first column (a row index).

    `delimiter` and `decimal` are "" for Parquet. `skip` lines stand above the header. `notes` are
    remarks for the log. `n_cells` is what its rows take in memory, at least: rows times columns, for nested columns more.
    Of CSV: `text_columns` have a cell in the first rows that is neither a number nor a usual word for missing, so all of
    their cells are read as they are written; in `doubtful_columns` no number of the first rows shows which mark is the
    decimal one; unless `is_quoted`, quotes are plain characters; `has_leading_zeros` if some cell is a whole number that begins with 0.
    """

    path: Path
    format: Literal["csv", "parquet"]
    columns: tuple[str | None, ...]
    delimiter: str = ""
    decimal: str = ""
    notes: tuple[str, ...] = ()
    skip: int = 0
    n_cells: int = 0
    is_quoted: bool = True
    text_columns: frozenset[str] = frozenset()
    doubtful_columns: frozenset[str] = frozenset()
    has_leading_zeros: bool = False

    @property
    def names(self) -> list[str]:
        """Return the named columns, in file order."""
        return [name for name in self.columns if name is not None]


def checked_names(path: Path, names: list[str | None]) -> tuple[str | None, ...]:
    """Return the names, if they are usable. Raises DataError DATA-07 or DATA-18."""
    named = [name for name in names if name is not None]
    duplicates = [name for name, count in Counter(named).items() if count > 1]
    if duplicates:
        raise HeaderError.duplicate(path, duplicates)
    reserved = [name for name in named if name.startswith("__") and name.endswith("__")]
    if reserved:
        raise HeaderError.reserved(path, reserved)
    if len(names) > MAX_COLUMNS:
        raise TooManyColumnsError(path, len(names), MAX_COLUMNS)
    return tuple(names)
