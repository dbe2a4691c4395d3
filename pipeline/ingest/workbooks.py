"""Writes a sheet of an Excel or OpenDocument workbook as CSV."""

import csv
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.ingest.columns import SECONDS_PER_DAY
from pipeline.ingest.conversion_problems import ArchiveError, SheetError
from pipeline.ingest.problems import UnreadableFileError

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook


def write_sheet(path: Path, target: Path, sheet: str | None) -> str:
    """Write the sheet that is named, or the only one with rows, and return a note. Raises SheetError, ArchiveError or
    UnreadableFileError.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - rarely needed

    try:
        with path.open("rb") as file:  # which kind it is shows in what it holds
            book = CalamineWorkbook.from_filelike(file)
            name = _sheet_name(path, book, sheet)
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=True)
    except PasswordError as error:
        raise ArchiveError.locked(path) from error
    except CalamineError as error:
        raise UnreadableFileError.damaged(path) from error
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([cell_text(cell) for cell in row] for row in rows)
    return f"read from the sheet {name!r}"


def _sheet_name(path: Path, book: "CalamineWorkbook", sheet: str | None) -> str:
    """Return the sheet to read: the one that is named, or the only one with rows. Raises SheetError."""
    names: list[str] = book.sheet_names
    if sheet is not None:
        if sheet not in names:
            raise SheetError.unknown(path, sheet, names)
        return sheet
    filled = [name for name in names if book.get_sheet_by_name(name).total_height > 1]
    if len(filled) > 1:
        raise SheetError.several(path, filled)
    return filled[0] if filled else names[0]


def cell_text(value: object) -> str:
    """Return the value of a workbook's cell as text that reads back as the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return repr(value.total_seconds() / SECONDS_PER_DAY)
    # A line break in a cell is a blank to a table.
    return " ".join(str(value).splitlines())
