"""What the Backups page shows, and the API returns."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.panel.backups.place import Backup
from app.panel.backups.recovery import Report, brought_back, still_missing
from app.panel.backups.tables import Recovery
from app.web.templating import View
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class RecoveryRow:
    """What was restored at one start of the panel, in sentences. `backup_at` is the time of the copy that was used."""

    id: int
    at: datetime
    cause: str
    backup_at: datetime | None
    moved_to: str
    brought_back: tuple[str, ...]
    missing: tuple[str, ...]
    seen_at: datetime | None
    seen_by: str | None


@dataclass(frozen=True)
class BackupsPage(View):
    """All backups and recoveries, newest first. `place_problem` is why the backups cannot be listed.

    `next_at` None: none is made by itself. `copied_at` is the time of the newest copy of the database alone.
    """

    TEMPLATE: ClassVar[str] = "panel/backups.html"
    FRAGMENT: ClassVar[str | None] = "panel/_backups.html"

    backups: tuple[Backup, ...]
    place: str
    is_elsewhere: bool
    place_problem: ProblemError | None
    running_since: datetime | None
    problem: ProblemError | None
    next_at: datetime | None
    keep: int
    copied_at: datetime | None
    recoveries: tuple[RecoveryRow, ...]
    poll_s: int


def recovery_row(row: Recovery) -> RecoveryRow:
    """Return a recovery as it is shown."""
    assert row.id is not None
    report = Report.model_validate(row.report)
    return RecoveryRow(
        id=row.id,
        at=row.at,
        cause=row.cause,
        backup_at=report.backup_at,
        moved_to=report.moved_to,
        brought_back=tuple(brought_back(report)),
        missing=tuple(still_missing(report)),
        seen_at=row.seen_at,
        seen_by=row.seen_by,
    )
