"""Problems with a text file: it is none, or it does not say what its columns and values are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pipeline.core.problems import DataError


class NotATableError(DataError):
    """The file is not a table.

    It is a Git LFS pointer (run `git lfs pull`), a web page (often a login page that was saved instead of the file), a
    compressed file, a workbook, UTF-16 text, or not text at all. The message says which. Put the actual file there, as
    CSV in UTF-8 or as Parquet.
    """

    id = "DATA-03"

    @classmethod
    def of_other_format(cls, path: Path, description: str, fix: str, command: str) -> Self:
        """Return the problem of a file in a known other format, such as `a web page`."""
        return cls(f"{path.name} is {description}, not a table.", fix=fix, command=command)

    @classmethod
    def binary(cls, path: Path) -> Self:
        """Return the problem of a file with zero bytes in it."""
        return cls(f"{path.name} is not text.", why="It contains NUL bytes.", fix="Save it as CSV.")


class EncodingError(DataError):
    """The file is not encoded in UTF-8.

    Names and texts would be misread, so the encoding is not guessed. Convert the file:
    `iconv -f latin1 -t utf-8 IN.csv > OUT.csv`.
    """

    id = "DATA-04"

    def __init__(self, path: Path, error: UnicodeDecodeError) -> None:
        byte = error.object[error.start : error.start + 1]
        super().__init__(
            f"{path.name} is not encoded in UTF-8.",
            why=f"Byte {error.start} is {byte!r}; the file may be Latin-1.",
            fix="Convert it to UTF-8.",
            command=f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
        )


class DelimiterError(DataError):
    """The delimiter is ambiguous.

    The first line has only one column, or two delimiters split the lines equally well. Commas, semicolons, tabs and
    vertical bars are detected where they are unambiguous (the log says so); otherwise separate the columns by commas.
    """

    id = "DATA-05"

    @classmethod
    def one_column(cls, path: Path, header: str) -> Self:
        """Return the problem of a file whose header no delimiter splits."""
        return cls(
            f"{path.name} has only one column.",
            why=f"Its first line is {header[:60]!r}: no comma, semicolon, tab or vertical bar splits it.",
            fix="Separate the columns by commas.",
        )

    @classmethod
    def ambiguous(cls, path: Path, delimiters: Iterable[str]) -> Self:
        """Return the problem of a file that several delimiters split equally well."""
        return cls(
            f"The delimiter of {path.name} is ambiguous.",
            why=f"{' and '.join(map(repr, delimiters))} split its lines equally well.",
            fix="Separate the columns by commas and quote values that contain one.",
        )


class DecimalMarkError(DataError):
    """The decimal mark is ambiguous.

    The columns are separated by semicolons, tabs or vertical bars, and no number shows whether the comma in one such as
    `1,234` separates thousands or decimals. Write numbers without thousands separators and with a decimal point.
    """

    id = "DATA-23"

    def __init__(self, path: Path, cell: str) -> None:
        super().__init__(
            f"The decimal mark of {path.name} is ambiguous.",
            why=f"Its other numbers do not show whether the comma in {cell!r} separates thousands or decimals.",
            fix="Write numbers without thousands separators and with a decimal point.",
        )


class RowLengthError(DataError):
    """Rows do not have as many values as the header.

    A row is longer or shorter than the header, or a quote is never closed. The message names the first such line. Quote
    values that contain the delimiter or a line break.
    """

    id = "DATA-06"

    def __init__(self, path: Path, n_columns: int, detail: str) -> None:
        super().__init__(
            f"{path.name} has rows that do not have {n_columns} values.",
            why=detail,
            fix="Quote values that contain the delimiter or a line break, and close every quote.",
        )


class LongLineError(DataError):
    """A line is too long.

    A line has more than one million bytes: an image or a document in a cell, or a file without line breaks. Reading it
    would take many times its size in memory. Remove the huge value from the table.
    """

    id = "DATA-19"

    def __init__(self, path: Path, n_bytes: int, end: int) -> None:
        super().__init__(
            f"{path.name} has a line of more than {n_bytes // 2**20} MB.",
            why=f"There is no line break in the {n_bytes} bytes before byte {end}.",
            fix="Remove the huge value from the table.",
        )
