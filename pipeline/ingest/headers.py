"""What every raw file has, whatever its format: a header with names that can be used."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.core.problems import DataError

MAX_COLUMNS: Final = 2000


@dataclass(frozen=True)
class Source:
    """One raw file. `columns` are its names in file order, None for an unnamed first column (a row index).

    `delimiter` and `decimal` are "" for Parquet. `skip` rows of empty cells stand above the header. `notes` are remarks
    for the log.
    """

    path: Path
    format: Literal["csv", "parquet"]
    columns: tuple[str | None, ...]
    delimiter: str = ""
    decimal: str = ""
    notes: tuple[str, ...] = ()
    skip: int = 0

    @property
    def names(self) -> list[str]:
        """The named columns, in file order."""
        return [name for name in self.columns if name is not None]


def checked_names(path: Path, names: list[str | None]) -> tuple[str | None, ...]:
    """The names, if they can be used. Raises DataError DATA-07 or DATA-18."""
    given = [name for name in names if name is not None]
    twice = sorted({name for name in given if given.count(name) > 1}) if len(set(given)) < len(given) else []
    if twice:
        raise DataError(
            "DATA-07",
            f"{path.name} has columns with the same name.",
            why=f"More than once: {quoted(twice)}.",
            fix="Give each column a name of its own.",
        )
    reserved = [name for name in given if name.startswith("__") and name.endswith("__")]
    if reserved:
        raise DataError(
            "DATA-07",
            f"{path.name} has columns with a reserved name.",
            why=f"Names between two underscores each are used inside: {quoted(reserved)}.",
            fix="Rename them.",
        )
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "DATA-18",
            f"{path.name} has {len(names)} columns.",
            why=f"At most {MAX_COLUMNS} are taken.",
            fix="Leave out columns that say nothing about the target.",
        )
    return tuple(names)


def no_rows(path: Path) -> DataError:
    """DATA-02: a header and nothing else."""
    return DataError(
        "DATA-02",
        f"{path.name} has no rows.",
        why="There is a header and nothing below it.",
        fix="Put the whole file there.",
    )


def quoted(names: Iterable[str]) -> str:
    """At most eight of the names, in quotes."""
    shown = sorted(names)
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return ", ".join(repr(name) for name in shown[:8]) + more
