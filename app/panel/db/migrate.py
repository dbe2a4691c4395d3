"""Opens the panel's database: checks it, migrates its schema, never replaces it silently."""

import re
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError, OperationalError

from app.panel.db.copies import back_up, backups, quarantined, remove_unfinished_copies
from app.panel.db.damage import content_damage, file_damage
from app.panel.db.engine import Database
from app.panel.db.problems import (
    DatabaseQuarantinedError,
    DatabaseTooNewError,
    DatabaseUnusableError,
    ForeignDatabaseError,
)
from app.panel.db.rebuild import has_source, rebuild, remove_unfinished
from pipeline.core.problems import ProblemError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
REVISION: Final = re.compile(r"\d{4}")
ALEMBIC: Final = "alembic_version"


def open_database(path: Path, now: datetime) -> Database:
    """Return the database at `path`, sound and at this build's schema; a new one where there never was any.

    One that is damaged, or gone while there is a copy of it, is rebuilt from what can be read and the newest sound copy;
    `restored` of the database says so. Raises DatabaseUnusableError where the folder cannot be used, DatabaseTooNewError
    for a schema newer than this build's, ForeignDatabaseError for the database of another program.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path)
        remove_unfinished_copies(path)
        restored = None
        is_new = not path.exists()
        if cause := _damage(path):
            restored = rebuild(path, now, cause, _upgrade)
        cause = _migrate(path, now) or content_damage(path)
        if cause:
            restored = rebuild(path, now, cause, _upgrade)
        return Database(path, restored, is_new=is_new and restored is None)
    except (OSError, sqlite3.OperationalError, OperationalError) as error:
        raise DatabaseUnusableError(path, getattr(error, "orig", error)) from error


def warnings(path: Path) -> list[ProblemError]:
    """Return the problems to report at each start: one for each file that was moved aside."""
    return [DatabaseQuarantinedError(file) for file in quarantined(path)]


def newest_schema() -> str:
    """Return the schema that this build writes: the number of the last migration file."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def _damage(path: Path) -> str:
    """Return what is wrong with the file, in one sentence; "" for a sound one, and for none where there never was any."""
    if not path.exists():
        return "The file was gone." if has_source(path) else ""
    never_used = path.stat().st_size == 0 and not backups(path) and not any(path.parent.glob("runs/*"))
    return "" if never_used else file_damage(path)


def _migrate(path: Path, now: datetime) -> str:
    """Bring the database to this build's schema; return why that cannot be done, in one sentence, "" if it is.

    Raises DatabaseTooNewError, ForeignDatabaseError.
    """
    database = Database(path)
    try:
        with database.writer.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            stored = _stored(connection) if ALEMBIC in tables else ""
        if not REVISION.fullmatch(stored) and tables:
            if "run" not in tables:
                raise ForeignDatabaseError(path)
            return "The database has lost the number of its schema."
        newest = newest_schema()
        if stored > newest:
            raise DatabaseTooNewError(stored=stored, supported=newest)
        if stored == newest:
            return ""
        if stored:
            back_up(path, now)
        _upgrade(database)
    except DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
            raise
        return f"The schema of the database is not what it should be: {error.orig}."
    finally:
        database.close()
    return ""


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


def _stored(connection: Connection) -> str:
    """Return the schema's number, "" where the table has none."""
    row = connection.exec_driver_sql(f"SELECT version_num FROM {ALEMBIC}").first()  # noqa: S608 - a constant
    return "" if row is None else str(row[0])
