"""Problems with raw files and the table that they are, before anything is known about target or features."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from pipeline.core.problems import DataError
from pipeline.core.sentences import listed
from pipeline.core.table_files import TABLE_SUFFIXES

_WRITE_SAMPLE = "python -m pipeline sample"


class NoTableError(DataError):
    """There is no table.

    `data/raw` holds no file whose name ends in .csv, .tsv, .txt, .parquet or .pq. Put one there, or write the built-in
    credit table: `python -m pipeline sample data/raw`. That table is synthetic: our own code generates it from a fixed
    seed. In a terminal, `--data` names such a file, or a folder with such files.
    """

    id = "DATA-01"

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return the problem of a raw folder without any table."""
        return cls(
            f"There is no table in {folder}.",
            why=f"No file there has a name that ends in {', '.join(TABLE_SUFFIXES)}.",
            fix="Put a CSV or Parquet file there, or write the built-in credit table.",
            command=f"{_WRITE_SAMPLE} {folder}",
        )

    @classmethod
    def at_path(cls, path: Path) -> Self:
        """Return the problem of a path that is neither a table nor a folder with tables."""
        return cls(
            f"There is no table at {path}.",
            why="It is neither a file nor a folder with CSV or Parquet files.",
            fix="Choose an existing file, or write the built-in credit table and use that.",
            command=f"{_WRITE_SAMPLE} data/raw",
        )

    @classmethod
    def with_other_suffix(cls, path: Path) -> Self:
        """Return the problem of a file whose name does not end as a table's does."""
        return cls(
            f"{path.name} does not have the name of a table.",
            why=f"Its name does not end in {', '.join(TABLE_SUFFIXES)}.",
            fix="Unpack it if it is compressed, and give it the suffix of its format.",
        )


class EmptyTableError(DataError):
    """The table is empty.

    The file has 0 bytes, or a header and no rows below it. Usually an export or a download was cut off: fetch it again.
    """

    id = "DATA-02"

    @classmethod
    def without_bytes(cls, path: Path) -> Self:
        """Return the problem of a file of 0 bytes."""
        return cls(f"{path.name} is empty.", why="It has 0 bytes.", fix="Replace it with the complete file.")

    @classmethod
    def without_rows(cls, path: Path) -> Self:
        """Return the problem of a file that has a header and nothing else."""
        return cls(
            f"{path.name} has no rows.",
            why="There is a header and nothing below it.",
            fix="Replace it with the complete file.",
        )


class HeaderError(DataError):
    """The column names are not usable.

    Two columns have the same name, the first line holds numbers instead of names, or a name is reserved (two
    underscores on each side). Correct the header.
    """

    id = "DATA-07"

    @classmethod
    def missing(cls, path: Path, values: Sequence[str]) -> Self:
        """Return the problem of a file whose first line holds `values`, all of them numbers."""
        return cls(
            f"{path.name} has no header.",
            why=f"Its first line holds only numbers: {', '.join(values[:4])}.",
            fix="Put the column names into the first line.",
        )

    @classmethod
    def duplicate(cls, path: Path, names: Iterable[str]) -> Self:
        """Return the problem of names that several columns have."""
        return cls(
            f"{path.name} has columns with the same name.",
            why=f"More than once: {quoted(names)}.",
            fix="Give each column a name of its own.",
        )

    @classmethod
    def reserved(cls, path: Path, names: Iterable[str]) -> Self:
        """Return the problem of names that the pipeline keeps for itself."""
        return cls(
            f"{path.name} has columns with a reserved name.",
            why=f"Names with two underscores on each side are used internally: {quoted(names)}.",
            fix="Rename them.",
        )


class DifferentColumnsError(DataError):
    """The files do not have the same columns.

    All files directly in `data/raw` are read as parts of one table; the order of the columns may differ, their names
    may not. Keep only files of one table there.
    """

    id = "DATA-08"

    def __init__(self, first: Path, other: Path, missing: Iterable[str], extra: Iterable[str]) -> None:
        parts = [f"lacks {quoted(missing)}"] * bool(missing) + [f"also has {quoted(extra)}"] * bool(extra)
        super().__init__(
            f"{first.name} and {other.name} do not have the same columns.",
            why=f"{other.name} {' and '.join(parts)}.",
            fix="Keep only files of one table in the folder.",
        )


class UnreadableFileError(DataError):
    """The file cannot be read.

    The operating system refuses access, or the Parquet file is damaged. Check its permissions, or write the file again.
    """

    id = "DATA-09"

    @classmethod
    def no_access(cls, path: Path, error: OSError) -> Self:
        """Return the problem of a file that the operating system does not let us read; it may pass."""
        return cls(
            f"{path.name} cannot be read.",
            why=f"{error.strerror}.",
            fix="Make it readable for the user that runs the pipeline.",
            retryable=True,
        )

    @classmethod
    def damaged(cls, path: Path) -> Self:
        """Return the problem of a compressed file, a workbook or the like that breaks off or is not what it begins like."""
        return cls(
            f"{path.name} is damaged.",
            why="It is not what it begins like, or it breaks off.",
            fix="Copy or save it again.",
        )

    @classmethod
    def damaged_parquet(cls, path: Path, detail: str) -> Self:
        """Return the problem of a file that is not valid Parquet."""
        return cls(f"{path.name} cannot be read as Parquet.", why=detail, fix="Write the file again.")


class TooManyColumnsError(DataError):
    """The table has too many columns.

    At most 2,000 are supported. Remove columns that say nothing about the target.
    """

    id = "DATA-18"

    def __init__(self, path: Path, n_columns: int, limit: int) -> None:
        super().__init__(
            f"{path.name} has {n_columns:,} columns.",
            why=f"At most {limit:,} are supported.",
            fix="Remove columns that say nothing about the target.",
        )


class TableTooLargeError(DataError):
    """The table is too large.

    A run works on the whole table in memory, about 40 bytes for each value at its peak, and this one has more values (rows
    times columns) than that allows. It is counted before any row is read: from the footer of a Parquet file, from the lines
    of a CSV file. A file of a few MB can hold billions of values where they repeat. Use a sample of the rows or fewer
    columns, or let a stage have more memory (`STAGE_MEMORY_BYTES`); `MAX_TABLE_CELLS` sets the limit itself.
    """

    id = "DATA-24"

    def __init__(self, first: Path, n_files: int, n_cells: int, max_cells: int) -> None:
        table = first.name if n_files == 1 else f"The table of {n_files:,} files"
        super().__init__(
            f"{table} has about {n_cells:,} values (rows times columns).",
            why=f"At most {max_cells:,} are read, so that a run stays within its memory.",
            fix="Use a sample of the rows or fewer columns, or raise STAGE_MEMORY_BYTES or MAX_TABLE_CELLS.",
        )


def quoted(names: Iterable[str]) -> str:
    """Return at most eight of the names, sorted and in quotes."""
    return listed([repr(name) for name in sorted(names)], 8)
