"""Problems with archives and workbooks."""

from pathlib import Path
from shlex import quote

from pipeline.core.problems import DataError, InvalidParamsError
from pipeline.core.sentences import listed

MAX_LISTED = 10
MB = 2**20
GIB = 2**30


class ArchiveError(DataError):
    """The archive does not hold one table.

    A ZIP archive may hold one file, which is then read; with several it is not clear which one is meant. One with a
    password cannot be read. Unpack it and copy the table into `data/raw`.
    """

    id = "DATA-25"

    def __init__(self, path: Path, members: list[str], *, why: str = "") -> None:
        shown = listed([repr(name) for name in members], MAX_LISTED) or "nothing"
        super().__init__(
            f"{path.name} does not hold one table.",
            why=why or f"It holds {shown}.",
            fix="Unpack it, and put the table into data/raw.",
            command=f"unzip {path.name}" if path.suffix.lower() == ".zip" else "",
        )

    @classmethod
    def locked(cls, path: Path) -> "ArchiveError":
        """Return the problem of a file with a password."""
        return cls(path, [], why="It is protected with a password.")


class SheetError(InvalidParamsError):
    """The workbook has several sheets.

    A workbook with one filled sheet is read by itself. With several, name the one to read in the parameter `sheet`.
    """

    id = "DATA-26"

    @classmethod
    def several(cls, path: Path, names: list[str]) -> "SheetError":
        """Return the problem of a workbook of which nobody said which sheet is meant."""
        return cls(
            f"{path.name} has several sheets.",
            why=f"Filled are {listed([repr(name) for name in names], MAX_LISTED)}.",
            fix="Name one in the parameter “sheet”, or save it as CSV.",
        )

    @classmethod
    def unknown(cls, path: Path, sheet: str, names: list[str]) -> "SheetError":
        """Return the problem of a sheet that does not exist."""
        return cls(
            f"{path.name} has no sheet {sheet!r}.",
            why=f"It has {listed([repr(name) for name in names], MAX_LISTED)}.",
            fix="Name one of these in the parameter “sheet”.",
        )


class UnpackedSizeError(DataError):
    """The file is too large when it is unpacked.

    A small compressed file may hold a huge one. At most 16 GiB are unpacked, and only as much as leaves 512 MB free on the
    disk. Nothing is left of it.
    """

    id = "DATA-27"

    def __init__(self, path: Path, limit_bytes: int) -> None:
        super().__init__(
            f"{path.name} is too large when it is unpacked.",
            why=f"It holds more than the {max(limit_bytes, 0) / GIB:.1f} GiB that may be unpacked.",
            fix="Use a smaller table.",
        )

    @classmethod
    def of_disk(cls, path: Path, folder: Path, limit_bytes: int) -> "UnpackedSizeError":
        """Return the problem of a disk on which less than 512 MB would stay free."""
        problem = cls(path, limit_bytes)
        problem.why = f"The disk of {folder} has room for {max(limit_bytes, 0) / MB:,.0f} MB of it; 512 MB stay free."
        problem.fix = "Free some space there, or use a smaller table."
        problem.command = f"df -h {quote(str(folder))}"
        problem.retryable = True
        return problem
