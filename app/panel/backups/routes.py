"""The Backups page, for admins: a backup holds everything that the panel knows."""

from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from app.panel.audit.log import AuditLog
from app.panel.backups.place import Place
from app.panel.backups.recoveries import Recoveries
from app.panel.backups.service import BackupService
from app.panel.backups.views import BackupsPage, recovery_row
from app.panel.db.copies import last_backup
from app.panel.db.engine import MAX_INTEGER
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from app.web.dependencies import provided

router = APIRouter(prefix="/backups")
BUSY_POLL_S: Final = 2
IDLE_POLL_S: Final = 30
BLOCK_BYTES: Final = 256 * 1024

Backups = Annotated[BackupService, provided(BackupService)]
Renderer = Annotated[PageRenderer, provided(PageRenderer)]


@router.get("")
def show_backups(
    request: Request,
    renderer: Renderer,
    backups: Backups,
    recoveries: Annotated[Recoveries, provided(Recoveries)],
    settings: Annotated[Settings, provided(Settings)],
) -> Response:
    """Show the backups, what goes on, and what was restored when."""
    state = backups.state()
    page = BackupsPage(
        backups=state.backups,
        place=backups.place.title,
        is_elsewhere=bool(settings.backup_url),
        place_problem=state.place_problem,
        running_since=state.running_since,
        problem=state.problem,
        next_at=state.next_at,
        keep=settings.backup_keep,
        copied_at=last_backup(settings.database),
        recoveries=tuple(map(recovery_row, recoveries.newest())),
        poll_s=BUSY_POLL_S if state.running_since else IDLE_POLL_S,
    )
    return renderer.render(request, page, section="backups")


@router.post("")
def back_up(backups: Backups) -> Response:
    """Have a backup made, and show the page again."""
    backups.request()
    return RedirectResponse("/backups", status_code=303)


@router.get("/files/{name}")
def download(
    name: Annotated[str, Path(max_length=200)], backups: Backups, audit: Annotated[AuditLog, provided(AuditLog)]
) -> Response:
    """Return a backup as a file."""
    blocks = _blocks(backups.place, name)
    first = next(blocks)  # that there is none is said before the answer begins
    audit.note("backup.download", name)
    response = StreamingResponse(_with_first(first, blocks), media_type="application/gzip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = "sandbox"
    return response


@router.post("/recoveries/{id}/confirm")
def confirm(
    id: Annotated[int, Path(ge=1, le=MAX_INTEGER)], recoveries: Annotated[Recoveries, provided(Recoveries)]
) -> Response:
    """Record that somebody knows what was restored, and show the page again."""
    recoveries.confirm(id)
    return RedirectResponse("/backups", status_code=303)


def _blocks(place: Place, name: str) -> Iterator[bytes]:
    with place.open(name) as file:
        yield file.read(BLOCK_BYTES)
        while block := file.read(BLOCK_BYTES):
            yield block


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
