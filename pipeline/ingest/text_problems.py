"""Problems with a text file: it is none, or it does not say what its columns and values are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pipeline.core.problems import DataError
from pipeline.core.sentences import plural


class NotATableError(DataError):
    """The file is not a table.

    It is a Git LFS pointer (run `git lfs pull`), a web page (often a login page that was saved instead of the file), a
    PDF document, or not text at all. The message says which. Put the actual file there.
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
    """The encoding of the file is unknown.

    Text in UTF-8, in UTF-16, and in the encodings of older systems (Windows-1252, Latin-1, Mac Roman, Shift-JIS, GB 18030 and
    a few more) is read, and the log says which. This file is in none of them. Save it as UTF-8.
    """

    id = "DATA-04"

    def __init__(self, path: Path, error: UnicodeDecodeError) -> None:
        byte = error.object[error.start : error.start + 1]
        super().__init__(
            f"The encoding of {path.name} is unknown.",
            why=f"It begins like {error.encoding}, but byte {byte!r} means nothing there.",
            fix="Save it as UTF-8 where it comes from.",
        )

    @classmethod
    def unknown(cls, path: Path) -> "EncodingError":
        """Return the problem of a text that makes sense in no encoding."""
        problem = cls.__new__(cls)
        DataError.__init__(
            problem,
            f"The encoding of {path.name} is unknown.",
            why="It is not UTF-8, and its letters make sense in no other encoding.",
            fix="Save it as UTF-8 where it comes from.",
        )
        return problem


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


class StrayQuoteError(DataError):
    """A quote swallows rows.

    A cell begins with a quote that is closed only some lines later, so that whole rows would be read as one cell. The message
    names the line. Close the quote, or remove it.
    """

    id = "DATA-28"

    def __init__(self, path: Path, line: int, n_breaks: int) -> None:
        super().__init__(
            f"A quote in {path.name} swallows rows.",
            why=f"The cell that begins in line {line} goes on in the next {plural(n_breaks, 'line')}, which hold rows.",
            fix="Close the quote in that line, or remove it.",
            command=f"sed -n {line}p {path.name}",
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
