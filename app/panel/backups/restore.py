"""Puts a backup in the place of what the folders hold. Only while no panel uses them: whoever calls holds the lock."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from sqlmodel import SQLModel

from app.panel.backups.archive import Contents, read_archive
from app.panel.backups.place import BACKUP_NAME, STAMP, Place, shown
from app.panel.backups.problems import (
    BackupNotFoundError,
    BackupPlaceError,
    DamagedBackupError,
    RestoreFailedError,
    RestoreRefusedError,
    RestoreUnfinishedError,
)
from app.panel.backups.recoveries import Recoveries
from app.panel.backups.recovery import Report
from app.panel.backups.sources import DATABASE, MLFLOW, MLFLOW_ARTIFACTS, MLFLOW_DATABASE, MODELS, SETTINGS
from app.panel.clock import Clock
from app.panel.db.damage import file_damage
from app.panel.db.migrate import newest_schema, open_database
from app.panel.db.rebuild import FLEETING
from app.panel.settings import Settings
from pipeline.core.atomic_files import write_atomic
from pipeline.core.bundle import VERSIONS_DIR, pointer_to
from pipeline.core.ledger import LEDGER_FILE
from pipeline.core.pointer import POINTER_FILE, read_pointer
from pipeline.core.problems import BundleError

MARK: Final = "restore.json"  # in the state folder, while the folders may hold parts of two histories
UNPACKED: Final = ".restore"
ASIDE: Final = "before-restore-"


@dataclass(frozen=True)
class Restored:
    """What was restored. `aside` is the name of the folders that hold what was there before, "" where nothing was.

    `settings_file` is where the settings of the backup were written, None where it had none.
    """

    contents: Contents
    aside: str
    settings_file: Path | None


def check_finished(settings: Settings) -> None:
    """Raise RestoreUnfinishedError if a restore into these folders was interrupted."""
    mark = settings.state_dir / MARK
    if mark.exists():
        name = ""
        with suppress(OSError, ValueError):
            name = str(json.loads(mark.read_text("utf-8")).get("name", ""))
        raise RestoreUnfinishedError(name or "a backup")


@contextmanager
def opened(settings: Settings, backup: str) -> Iterator[IO[bytes]]:
    """Yield a backup for reading: a file, a URL, or the name of one at the place of backups.

    What reading it raises is the caller's. Raises BackupNotFoundError, BackupPlaceError.
    """
    if BACKUP_NAME.fullmatch(backup) and not Path(backup).exists():
        with Place(settings.backup_place).open(backup) as file:
            yield file
        return
    import fsspec  # noqa: PLC0415 - as in `Place`

    try:
        source = fsspec.open(backup, "rb").open()
    except FileNotFoundError as error:
        raise BackupNotFoundError(backup) from error
    except Exception as error:  # as in `Place`
        raise BackupPlaceError(shown(backup), error) from error
    with source as file:
        yield file


def verify(settings: Settings, backup: str) -> Contents:
    """Return the contents of a backup that is whole. Raises DamagedBackupError, BackupNotFoundError, BackupPlaceError."""
    with opened(settings, backup) as file:
        try:
            return read_archive(file, None)
        except OSError as error:
            raise BackupPlaceError(shown(backup), error) from error


def restore(settings: Settings, backup: str, clock: Clock, *, replace: bool) -> Restored:
    """Put a backup into the folders of `settings` and return what was done; the panel can be started then.

    What is there is moved aside, if `replace` allows it. Until the backup is known to be whole nothing is changed; a restore that
    is interrupted later is finished by the next one. Everybody has to log in again. Raises RestoreRefusedError,
    DamagedBackupError, BackupNotFoundError, BackupPlaceError, RestoreFailedError.
    """
    unpacked = settings.state_dir / UNPACKED
    mark = settings.state_dir / MARK
    places = _places(settings)
    is_repeated = mark.exists()
    if not replace and not is_repeated:
        for _, folder, name in places:
            if _holds_something(folder / name):
                raise RestoreRefusedError(folder)
    try:
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        with opened(settings, backup) as file:
            contents = read_archive(file, unpacked)
        _check(unpacked)
        _mark_as_restored(unpacked, contents, backup, clock)
        aside = _aside(mark, settings.state_dir, clock.now())
        write_atomic(mark, json.dumps({"name": backup, "aside": aside}).encode())
        has_moved = False
        for source, folder, name in places:
            has_moved |= _swap(unpacked / source / name, folder / name, folder / aside / name, is_repeated=is_repeated)
        settings_file = _restore_settings(unpacked)
        mark.unlink()
    except (OSError, sqlite3.Error) as error:
        raise RestoreFailedError(error) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return Restored(contents, aside if has_moved else "", settings_file)


def _places(settings: Settings) -> list[tuple[str, Path, str]]:
    """Return where in an archive each part of a history is, and the folder that it belongs to, with its name there."""
    database = settings.database.name
    state, mlflow, models = settings.state_dir, settings.mlflow_dir, settings.models_dir
    return [
        *(("state", state, f"{database}{suffix}") for suffix in ("-wal", "-shm", "")),
        ("state", state, "runs"),
        *((MLFLOW, mlflow, f"{MLFLOW_DATABASE}{suffix}") for suffix in ("-wal", "-shm", "")),
        (MLFLOW, mlflow, MLFLOW_ARTIFACTS),
        (MODELS, models, POINTER_FILE),  # first: what is live is taken out of service before its files go
        (MODELS, models, LEDGER_FILE),
        (MODELS, models, VERSIONS_DIR),
    ]


def _holds_something(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _check(unpacked: Path) -> None:
    """Raise DamagedBackupError where the parts of a backup do not make a panel that can start."""
    database = unpacked / DATABASE
    if not database.is_file() or (damage := file_damage(database)):
        raise DamagedBackupError(damage if database.is_file() else "It holds no database.")
    with closing(sqlite3.connect(database)) as connection:
        (schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if str(schema) > newest_schema():
        raise DamagedBackupError(f"A newer version of this program made it: its schema is {schema}.")
    try:
        pointer = read_pointer(unpacked / MODELS)
        if pointer is not None:
            pointer_to(unpacked / MODELS, pointer.bundle)
    except BundleError as error:
        raise DamagedBackupError(f"Its live model is not intact: {error}") from error


def _mark_as_restored(unpacked: Path, contents: Contents, backup: str, clock: Clock) -> None:
    """End all sessions of the unpacked database, and have the panel say what was restored."""
    database = open_database(unpacked / DATABASE, clock.now())
    try:
        with database.write() as session:
            for table in SQLModel.metadata.sorted_tables:
                if table.info.get(FLEETING):
                    session.connection().execute(table.delete())
        cause = f"The backup {Path(backup).name} was restored."
        Recoveries(database, clock).add(cause, Report(backup_at=contents.created_at))
    finally:
        database.close()
    shutil.rmtree((unpacked / DATABASE).parent / "backups", ignore_errors=True)  # of an older schema


def _aside(mark: Path, state_dir: Path, now: datetime) -> str:
    """Return the name of the folders for what is moved aside: that of the restore that was interrupted, if one was."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(mark.read_text("utf-8"))["aside"])
    name = f"{ASIDE}{now:{STAMP}}"
    n_same = len(list(state_dir.glob(f"{name}*")))
    return f"{name}-{n_same + 1}" if n_same else name


def _swap(source: Path, target: Path, aside: Path, *, is_repeated: bool) -> bool:
    """Put `source` in the place of `target`, and that aside. Return whether anything was moved aside.

    What lies at `target` although its original is aside already was put there by a restore that was interrupted.
    """
    has_moved = False
    if target.exists():
        if is_repeated and aside.exists():
            _remove(target)
        else:
            aside.parent.mkdir(parents=True, exist_ok=True)
            target.rename(aside)
            has_moved = True
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.restoring")
        _remove(part)
        shutil.move(source, part)  # it may be another disk
        part.rename(target)
    return has_moved


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _restore_settings(unpacked: Path) -> Path | None:
    """Write the settings file of the backup: in its place, or beside another one that is there."""
    source = unpacked / SETTINGS
    if not source.is_file():
        return None
    target = Path(source.name)
    if target.exists() and target.read_bytes() != source.read_bytes():
        target = target.with_name("ml-pipeline.restored.toml")
    write_atomic(target, source.read_bytes(), mode=0o600)
    return target
