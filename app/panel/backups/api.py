"""Backups and recoveries as JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter

from app.panel.backups.place import Backup
from app.panel.backups.recoveries import Recoveries
from app.panel.backups.service import BackupService, BackupState
from app.panel.backups.views import RecoveryRow, recovery_row
from app.web.dependencies import provided

router = APIRouter(prefix="/api/v1/backups", tags=["backups"])

Service = Annotated[BackupService, provided(BackupService)]


@dataclass(frozen=True)
class BackupProgress:
    """What goes on. `running_since` null: nothing; `problem` is why the last one failed, null if it did not."""

    running_since: datetime | None
    problem: str | None
    next_at: datetime | None


@dataclass(frozen=True)
class BackupsResponse:
    """All backups and recoveries, newest first. `place_problem` is why the backups cannot be listed, null if they can."""

    place: str
    place_problem: str | None
    progress: BackupProgress
    backups: list[Backup]
    recoveries: list[RecoveryRow]


@router.get("")
def list_backups(service: Service, recoveries: Annotated[Recoveries, provided(Recoveries)]) -> BackupsResponse:
    """Return the backups that are whole, what goes on, and what was restored when."""
    state = service.state()
    return BackupsResponse(
        place=service.place.title,
        place_problem=None if state.place_problem is None else str(state.place_problem),
        progress=_progress(state),
        backups=list(state.backups),
        recoveries=[recovery_row(row) for row in recoveries.newest()],
    )


@router.post("", status_code=202)
def back_up(service: Service) -> BackupProgress:
    """Have a backup made; returns at once. 409: one is being made already."""
    service.request()
    return _progress(service.state())


def _progress(state: BackupState) -> BackupProgress:
    return BackupProgress(state.running_since, None if state.problem is None else str(state.problem), state.next_at)
