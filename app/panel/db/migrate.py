"""Opens the panel's database: checks it, migrates its schema, never replaces it silently."""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import OperationalError

from app.panel.db.engine import Database
from app.panel.db.problems import DatabaseQuarantinedError, DatabaseTooNewError, DatabaseUnusableError
from pipeline.core.problems import ProblemError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
QUARANTINE_MARK: Final = ".corrupt-"
KEPT_BACKUPS: Final = 5
STAMP: Final = "%Y%m%d-%H%M%S"
FULL_CHECK_BYTES: Final = 32 * 2**20  # a larger file gets the quick check, so that the panel still starts at once


def open_database(path: Path, now: datetime) -> Database:
    """Return the database at `path`, sound and at this build's schema; a new one where there is none.

    A corrupt file is moved aside (see `quarantined`) and the newest sound backup takes its place. Raises
    DatabaseUnusableError where the folder cannot be used, DatabaseTooNewError for a schema newer than this build's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not is_sound(path):
            _quarantine(path, now)
            _restore(path)
        database = Database(path)
        try:
            _migrate(database, now)
        except BaseException:
            database.close()
            raise
    except (OSError, sqlite3.OperationalError, OperationalError) as error:
        raise DatabaseUnusableError(path, getattr(error, "orig", error)) from error
    return database


def is_sound(path: Path) -> bool:
    """Return True if SQLite finds no fault in the file. An empty file is sound only where there never was a history."""
    if path.stat().st_size == 0:
        return not _backups(path) and not any(path.parent.glob("runs/*"))
    check = "integrity_check" if path.stat().st_size <= FULL_CHECK_BYTES else "quick_check"
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as connection:
            return [tuple(row) for row in connection.execute(f"PRAGMA {check}(1)")] == [("ok",)]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False


def quarantined(path: Path) -> list[Path]:
    """Return the corrupt files that were moved aside, oldest first; each start reports them as long as they exist."""
    files = sorted(path.parent.glob(f"{path.name}{QUARANTINE_MARK}*"))
    return [file for file in files if not file.name.endswith(("-wal", "-shm"))]


def warnings(path: Path) -> list[ProblemError]:
    """Return the problems to report at each start: one for each file that was moved aside."""
    return [DatabaseQuarantinedError(file) for file in quarantined(path)]


def back_up(path: Path, now: datetime) -> Path:
    """Make an online copy in `backups/`, verified and named by the time, and return its path; five copies are kept.

    Raises sqlite3.OperationalError or OSError where it cannot be made; then nothing is left of it.
    """
    folder = path.parent / "backups"
    folder.mkdir(exist_ok=True)
    _remove_unfinished(path)
    target = folder / f"{path.stem}-{now:{STAMP}}.db"
    temporary = folder / f".{target.name}.tmp"
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.execute("PRAGMA query_only=ON")
            source.execute("PRAGMA wal_autocheckpoint=0")
            source.backup(copy)
        if not is_sound(temporary):  # it must not displace a sound copy
            raise sqlite3.OperationalError("the database is damaged")
        temporary.replace(target)
    except BaseException:
        _remove_unfinished(path)
        raise
    for old in _backups(path)[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def last_backup(path: Path) -> datetime | None:
    """Return when the newest copy was made, by its name; None if there is none."""
    names = [file.stem.removeprefix(f"{path.stem}-") for file in _backups(path)]
    return datetime.strptime(names[-1], STAMP).replace(tzinfo=UTC) if names else None


def newest_schema() -> str:
    """Return the schema that this build writes: the number of the last migration file."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def _backups(path: Path) -> list[Path]:
    digits = "[0-9]" * 8 + "-" + "[0-9]" * 6
    return sorted((path.parent / "backups").glob(f"{path.stem}-{digits}.db"))


def _remove_unfinished(path: Path) -> None:
    for unfinished in (path.parent / "backups").glob(f".{path.stem}-*.tmp*"):
        unfinished.unlink(missing_ok=True)


def _quarantine(path: Path, now: datetime) -> None:
    name = f"{path.name}{QUARANTINE_MARK}{now:{STAMP}}"
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(name + suffix))


def _restore(path: Path) -> None:
    for backup in reversed(_backups(path)):
        if is_sound(backup):
            with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(path)) as copy:
                source.backup(copy)
            return


def _migrate(database: Database, now: datetime) -> None:
    with database.writer.connect() as connection:
        stored = _stored(connection)
    newest = newest_schema()
    if stored == newest:
        return
    if stored is not None and stored > newest:
        raise DatabaseTooNewError(stored=stored, supported=newest)
    if stored is not None:
        back_up(database.path, now)
    _upgrade(database)


def _upgrade(database: Database) -> None:
    # Alembic takes a tenth of a second to import; most starts have nothing to migrate.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _stored(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])
