"""Makes one backup: takes a snapshot, writes the archive, reads it again, and only then gives it its name."""

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from app.panel.backups.archive import Contents, Source, read_archive, write_archive
from app.panel.backups.place import Backup, Place, backup_name
from app.panel.backups.problems import BackupFailedError, DamagedBackupError
from app.panel.backups.sources import MODELS, sources, take_snapshot
from app.panel.db.migrate import newest_schema
from app.panel.settings import Settings
from pipeline.core.bundle import MODEL_FILE, VERSIONS_DIR
from pipeline.core.pointer import Pointer
from pipeline.core.product import VERSION

MAKING: Final = ".making-"  # begins the names of the folders in which backups are made


class StoppedError(OSError):
    """The panel is going down."""


def make_backup(settings: Settings, place: Place, now: datetime, stop: threading.Event) -> Backup:
    """Return a new backup at `place`, which is whole. Where this raises, nothing is left of it.

    Raises BackupFailedError, BackupPlaceError.
    """
    parent = settings.state_dir / "backups"
    try:
        parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=MAKING, dir=parent))
    except OSError as error:
        raise BackupFailedError(error) from error
    try:
        file = folder / backup_name(now)
        _write(settings, folder, file, now, stop)
        place.put(file, file.name)
        return Backup(file.name, file.stat().st_size, now)
    except (OSError, sqlite3.Error, DamagedBackupError) as error:
        raise BackupFailedError(error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(settings: Settings) -> None:
    """Remove what a killed panel left of a backup that it was making."""
    for folder in (settings.state_dir / "backups").glob(f"{MAKING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _write(settings: Settings, folder: Path, file: Path, now: datetime, stop: threading.Event) -> None:
    snapshot = take_snapshot(settings, folder)
    groups = _until(stop, sources(settings, snapshot))
    with file.open("wb") as target:
        contents = write_archive(target, groups, version=VERSION, schema_number=newest_schema(), now=now)
    if snapshot.pointer is not None:
        _check_live(contents, snapshot.pointer)
    with file.open("rb") as source:
        read_archive(source, None)


def _check_live(contents: Contents, pointer: bytes) -> None:
    """Raise DamagedBackupError if the live model is not in the backup: it was replaced and deleted meanwhile."""
    bundle = Pointer.model_validate_json(pointer).bundle
    if f"{MODELS}/{VERSIONS_DIR}/{bundle}/{MODEL_FILE}" not in contents.files:
        raise DamagedBackupError("The live model changed while it was made.")


def _until(stop: threading.Event, groups: Iterator[Sequence[Source]]) -> Iterator[Sequence[Source]]:
    for group in groups:
        if stop.is_set():
            raise StoppedError("the panel is going down")
        yield group
