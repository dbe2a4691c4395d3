"""Opens the panel's database: checks it, brings its schema up to date, never replaces it silently."""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import OperationalError

from app.panel.db.engine import Database
from pipeline.core.problems import ProblemError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
QUARANTINE_MARK: Final = ".corrupt-"
KEPT_BACKUPS: Final = 5
STAMP: Final = "%Y%m%d-%H%M%S"
FULL_CHECK_BYTES: Final = 32 * 2**20  # a larger file gets the quick check, so that the panel still starts at once


def open_database(path: Path, now: datetime) -> Database:
    """The database at `path`, sound and at this build's schema; a new one where there is none.

    A corrupt file is moved aside (see `quarantined`) and the newest sound backup takes its place. Raises ProblemError
    DB-01 where the folder cannot be used, DB-02 for a schema that is newer than this build.
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
        raise ProblemError(
            "DB-01",
            f"The database {path.name} cannot be opened.",
            why=f"{getattr(error, 'orig', error)}.",
            fix="Free space on its disk, make the state folder writable, or name another one in ML_PIPELINE_STATE.",
            command=f"ls -ld {path.parent}",
            status=503,
        ) from error
    return database


def is_sound(path: Path) -> bool:
    """Whether SQLite finds no fault in the file. A file of no bytes is sound only where there never was a history."""
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
    """Corrupt files that were moved aside, oldest first; people are told for as long as they lie there."""
    files = sorted(path.parent.glob(f"{path.name}{QUARANTINE_MARK}*"))
    return [file for file in files if not file.name.endswith(("-wal", "-shm"))]


def warnings(path: Path) -> list[ProblemError]:
    """What people must be told about the database at each start: DB-03 for each file that was moved aside."""
    return [
        ProblemError(
            "DB-03",
            f"A corrupt database was moved aside to {file}.",
            why="What happened since the last copy of it is missing from the history.",
            fix="Move that file elsewhere when you have seen this.",
            status=503,
        )
        for file in quarantined(path)
    ]


def back_up(path: Path, now: datetime) -> Path:
    """An online copy in `backups/`, verified and named by the time; older ones beyond five are removed.

    Raises sqlite3.OperationalError or OSError where it cannot be made; then nothing is left of it.
    """
    folder = path.parent / "backups"
    folder.mkdir(exist_ok=True)
    _clear_cut_off(path)
    target = folder / f"{path.stem}-{now:{STAMP}}.db"
    aside = folder / f".{target.name}.tmp"
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as source, closing(sqlite3.connect(aside)) as copy:
            source.execute("PRAGMA query_only=ON")
            source.execute("PRAGMA wal_autocheckpoint=0")
            source.backup(copy)
        if not is_sound(aside):  # it must not push out a copy that is
            raise sqlite3.OperationalError("the database is damaged")
        aside.replace(target)
    except BaseException:
        _clear_cut_off(path)
        raise
    for old in _backups(path)[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def last_backup(path: Path) -> datetime | None:
    """When the newest copy was made, by its name; None if there is none."""
    names = [file.stem.removeprefix(f"{path.stem}-") for file in _backups(path)]
    return datetime.strptime(names[-1], STAMP).replace(tzinfo=UTC) if names else None


def head() -> str:
    """The schema that this build writes: the number of the last migration file."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def _backups(path: Path) -> list[Path]:
    digits = "[0-9]" * 8 + "-" + "[0-9]" * 6
    return sorted((path.parent / "backups").glob(f"{path.stem}-{digits}.db"))


def _clear_cut_off(path: Path) -> None:
    for left in (path.parent / "backups").glob(f".{path.stem}-*.tmp*"):
        left.unlink(missing_ok=True)


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
    wanted = head()
    if stored == wanted:
        return
    if stored is not None and stored > wanted:
        raise ProblemError(
            "DB-02",
            "The database was written by a newer version of this program.",
            why=f"Its schema is {stored}; this version knows schemas up to {wanted}.",
            fix="Start the newer version again, or restore a copy from the backups folder of the state folder.",
            status=503,
        )
    if stored is not None:
        back_up(database.path, now)
    _upgrade(database)


def _upgrade(database: Database) -> None:
    # Alembic takes a tenth of a second to import; most starts find nothing to do.
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
