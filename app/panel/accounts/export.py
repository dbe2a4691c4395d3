"""The audit as a file: CSV for spreadsheets, NDJSON for programs."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.panel.audit.tables import AuditEntry

COLUMNS: Final = ("id", "at", "actor", "via", "address", "action", "target", "before", "after", "outcome", "detail")
# At the beginning, and after what separates cells for a spreadsheet of another language.
_FORMULA: Final = re.compile(r"(^|[;\t\r\n|])(?=[=+\-@\t\r])")


def to_csv(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield a CSV file, header first. What a spreadsheet would compute gets an apostrophe in front."""
    yield _line(COLUMNS)
    for entry in entries:
        yield _line(_cell(value) for value in _members(entry).values())


def to_ndjson(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield one JSON object for each entry, each on its line."""
    for entry in entries:
        yield json.dumps(_members(entry), ensure_ascii=False) + "\n"


def _members(entry: AuditEntry) -> dict[str, Any]:
    return {name: entry.at.isoformat() if name == "at" else getattr(entry, name) for name in COLUMNS}


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return _FORMULA.sub(r"\1'", text)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
