"""Builds a sound database out of what can be read: the damaged file first, then its newest sound copy."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.exc import DatabaseError
from sqlmodel import SQLModel

from app.panel.db.copies import QUARANTINE_MARK, STAMP, backup_time, backups, quarantine, quarantined
from app.panel.db.damage import file_damage, violation
from app.panel.db.engine import Database
from app.panel.db.restored import Restored
from pipeline.core.atomic_files import fsync_dir

log = logging.getLogger(__name__)
FLEETING: Final = "is_fleeting"  # in the `info` of a table: its rows are never taken from an older copy
BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
OF_RUNS: Final = ("stage_attempt", "run_event")


@dataclass(slots=True)
class _Read:
    """What could be read of a table: rows by row id. `is_whole`: nothing but the `unreadable` ones is missing."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    is_whole: bool = False


def rebuild(path: Path, now: datetime, cause: str, upgrade: Callable[[Database], None]) -> Restored:
    """Put a sound database in the place of `path`, which is damaged or gone, and return how.

    `upgrade` brings a database to this build's schema. A kill at any moment leaves what the next start needs. Raises
    OSError or sqlite3.OperationalError where the disk refuses; then `path` is as it was.
    """
    new, old = (path.with_name(f".{path.name}.{name}") for name in ("new", "copy"))
    remove_unfinished(path)
    source = _damaged(path)
    _upgraded(new, upgrade)
    copy = _newest_usable(path, old, upgrade)
    incomplete = _fill(new, source, old if copy is not None else None)
    _remove(old)
    moved_to = quarantine(path, now) if path.exists() else None
    quarantine(path, now)  # what SQLite keeps beside a file that is gone belongs to no other
    new.replace(path)
    fsync_dir(path.parent)
    return Restored(cause, moved_to, None if copy is None else backup_time(copy, path), incomplete)


def remove_unfinished(path: Path) -> None:
    """Remove what a rebuild that was killed has left."""
    for name in ("new", "copy"):
        for file in path.parent.glob(f".{path.name}.{name}*"):
            file.unlink()


def has_source(path: Path) -> bool:
    """Return whether there is anything that a missing database could be rebuilt from."""
    return _damaged(path) is not None or any(not file_damage(copy) for copy in backups(path))


def _damaged(path: Path) -> Path | None:
    """Return the damaged file, None where there is none.

    A file that was moved aside after the newest copy was made, but not replaced, is that file: the panel was killed in
    between.
    """
    if path.exists():
        return path
    aside, copies = quarantined(path), backups(path)
    copied_at = f"{backup_time(copies[-1], path):{STAMP}}" if copies else ""
    is_newer = bool(aside) and aside[-1].name.rpartition(QUARANTINE_MARK)[2] >= copied_at
    return aside[-1] if is_newer else None


def _newest_usable(path: Path, target: Path, upgrade: Callable[[Database], None]) -> Path | None:
    """Write the newest copy that is sound to `target`, at this build's schema, and return it; None if there is none."""
    for copy in reversed(backups(path)):
        if file_damage(copy):
            continue
        with closing(sqlite3.connect(copy)) as source, closing(sqlite3.connect(target)) as connection:
            source.backup(connection)
        try:
            _upgraded(target, upgrade)
        except DatabaseError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
                raise
            log.warning("action=rebuild_database copy=%s error=%s", copy.name, error.orig)
            _remove(target)
        else:
            return copy
    return None


def _upgraded(file: Path, upgrade: Callable[[Database], None]) -> None:
    database = Database(file)
    try:
        upgrade(database)
    finally:
        database.close()


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _fill(new: Path, damaged: Path | None, copy: Path | None) -> tuple[str, ...]:
    """Copy the rows into the new file and return the tables that may have lost some."""
    incomplete: list[str] = []
    with closing(sqlite3.connect(new)) as target:
        target.execute("PRAGMA foreign_keys=OFF")
        for table in SQLModel.metadata.sorted_tables:
            first = _read(damaged, table)
            _insert(target, table, first.rows.values())
            if first.is_whole and not first.unreadable:
                continue
            incomplete.append(table.name)
            if copy is None or table.info.get(FLEETING):
                continue
            second = _read(copy, table)
            missing = first.unreadable if first.is_whole else second.rows.keys()
            _insert(target, table, (second.rows[rowid] for rowid in missing if rowid in second.rows))
        for name in OF_RUNS:
            target.execute(f"DELETE FROM {name} WHERE run_id NOT IN (SELECT id FROM run)")  # noqa: S608 - of our own
        target.commit()
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if damage := file_damage(new):
        raise sqlite3.OperationalError(damage)
    return tuple(incomplete)


def _insert(target: sqlite3.Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        # A row that breaks a rule of the schema, such as one active run, is older than the one that is there.
        target.execute(f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({marks})', list(row.values()))  # noqa: S608


def _read(file: Path | None, table: Table) -> _Read:
    """Return what can be read of a table, from both ends, so that a damaged page costs no more than its own rows."""
    read = _Read()
    if file is None:
        return read
    with closing(sqlite3.connect(file, timeout=5.0)) as connection:
        connection.text_factory = bytes  # a text that is not UTF-8 would end the reading
        for direction in ("ASC", "DESC"):
            try:
                _read_on(connection, table, direction, read)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY:
                    raise
                log.warning("action=rebuild_database table=%s error=%s", table.name, error)
            else:
                read.is_whole = direction == "ASC"
                break
    return read


def _read_on(connection: sqlite3.Connection, table: Table, direction: str, read: _Read) -> None:
    present = {str(row[1], "utf-8") for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
    columns = [column for column in table.columns if column.name in present]
    if not columns:
        raise sqlite3.DatabaseError("there is no such table")
    names = [column.name for column in columns]
    listed = ", ".join(f'"{name}"' for name in names)
    is_broken = " OR ".join(map(violation, columns))
    query = f'SELECT rowid, {is_broken}, {listed} FROM "{table.name}" NOT INDEXED ORDER BY rowid {direction}'  # noqa: S608
    for rowid, broken, *values in connection.execute(query):
        if rowid in read.rows or rowid in read.unreadable:
            break  # met from the other end
        row = _decoded(dict(zip(names, values, strict=True)))
        if broken or row is None:
            read.unreadable.add(rowid)
        else:
            read.rows[rowid] = row


def _decoded(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row with its texts decoded; None if one is not UTF-8."""
    try:
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
    except UnicodeDecodeError:
        return None
