"""Reads of the audit: by pages, and from end to end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import or_
from sqlmodel import col, select

from app.panel.audit.tables import AuditEntry
from app.panel.db.engine import Database

PAGE_SIZE: Final = 64
CHUNK: Final = 1000  # rows of one read of an export, so that no reader holds the database for long


@dataclass(frozen=True)
class AuditFilters:
    """The entries to list; "" or None: all. `action` is one such as `run.start`, or the first part of several: `run`.

    `from_day` and `to_day` are days of the server's time zone, both included.
    """

    actor: str = ""
    action: str = ""
    outcome: str = ""
    from_day: date | None = None
    to_day: date | None = None


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first. `next_before` is the `before` of the following page, None on the last."""

    rows: tuple[AuditEntry, ...]
    next_before: int | None


class AuditQueries:
    """Sync and thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def page(
        self, filters: AuditFilters = AuditFilters(), before: int | None = None, limit: int = PAGE_SIZE
    ) -> AuditPage:
        """Return entries with a number below `before` (None: from the newest), at most `limit`."""
        statement = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit + 1)
        if filters.actor:
            statement = statement.where(AuditEntry.actor == filters.actor)
        if filters.action:
            is_one_of = col(AuditEntry.action).startswith(f"{filters.action}.", autoescape=True)
            statement = statement.where(or_(col(AuditEntry.action) == filters.action, is_one_of))
        if filters.outcome:
            statement = statement.where(AuditEntry.outcome == filters.outcome)
        if filters.from_day is not None:
            statement = statement.where(AuditEntry.at >= _start(filters.from_day))
        if filters.to_day is not None and filters.to_day < date.max:
            statement = statement.where(AuditEntry.at < _start(filters.to_day + timedelta(days=1)))
        if before is not None:
            statement = statement.where(col(AuditEntry.id) < before)
        with self._db.read() as session:
            rows = tuple(session.exec(statement))
        more = len(rows) > limit
        return AuditPage(rows[:limit], rows[limit - 1].id if more else None)

    def all(self, filters: AuditFilters) -> Iterator[AuditEntry]:
        """Yield all entries, newest first, whatever is added meanwhile."""
        before: int | None = None
        while True:
            page = self.page(filters, before, CHUNK)
            yield from page.rows
            before = page.next_before
            if before is None:
                return


def _start(day: date) -> datetime:
    """Return when a day begins in the server's time zone."""
    try:
        return datetime.combine(day, time.min).astimezone().astimezone(UTC)
    except (OverflowError, ValueError, OSError):  # the first and the last days of the calendar
        return datetime.combine(day, time.min, UTC)
