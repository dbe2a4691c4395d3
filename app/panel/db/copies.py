"""Copies of the database: made online, verified, named by the time; and damaged files that were moved aside."""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.panel.db.damage import file_damage

KEPT_BACKUPS: Final = 5
KEPT_DAMAGED: Final = 3  # files that were moved aside
QUARANTINE_MARK: Final = ".corrupt-"
SUFFIXES: Final = ("-wal", "-shm", "")  # of what SQLite keeps beside a file, and of the file itself
STAMP: Final = "%Y%m%d-%H%M%S"


def back_up(path: Path, now: datetime) -> Path:
    """Make an online copy in `backups/`, verified and named by the time, and return its path; five copies are kept.

    Raises sqlite3.OperationalError or OSError where it cannot be made; then nothing is left of it.
    """
    folder = path.parent / "backups"
    folder.mkdir(exist_ok=True)
    remove_unfinished_copies(path)
    target = folder / f"{path.stem}-{now:{STAMP}}.db"
    temporary = folder / f".{target.name}.tmp"
    try:
        copy_online(path, temporary)
        temporary.replace(target)
    except BaseException:
        remove_unfinished_copies(path)
        raise
    for old in backups(path)[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def copy_online(path: Path, target: Path) -> None:
    """Copy a database that is in use, as it is at one moment, into the new file `target`.

    Raises sqlite3.OperationalError or OSError where that fails or the copy is damaged.
    """
    with closing(sqlite3.connect(path, timeout=5.0)) as source, closing(sqlite3.connect(target)) as copy:
        source.execute("PRAGMA query_only=ON")
        source.execute("PRAGMA wal_autocheckpoint=0")
        source.backup(copy)
    if damage := file_damage(target):  # it must not displace a sound copy
        raise sqlite3.OperationalError(f"the database is damaged: {damage}")


def backups(path: Path) -> list[Path]:
    """Return the copies of the database, oldest first."""
    digits = "[0-9]" * 8 + "-" + "[0-9]" * 6
    return sorted((path.parent / "backups").glob(f"{path.stem}-{digits}.db"))


def backup_time(file: Path, database: Path) -> datetime:
    """Return when a copy was made, by its name."""
    return datetime.strptime(file.stem.removeprefix(f"{database.stem}-"), STAMP).replace(tzinfo=UTC)


def last_backup(path: Path) -> datetime | None:
    """Return when the newest copy was made; None if there is none."""
    copies = backups(path)
    return backup_time(copies[-1], path) if copies else None


def quarantine(path: Path, now: datetime) -> Path:
    """Move the file and what SQLite keeps beside it aside, and return its new path; the newest three such files are kept."""
    name = f"{path.name}{QUARANTINE_MARK}{now:{STAMP}}"
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(name + suffix))
    for old in quarantined(path)[:-KEPT_DAMAGED]:
        for suffix in SUFFIXES:
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return path.with_name(name)


def quarantined(path: Path) -> list[Path]:
    """Return the damaged files that were moved aside, oldest first."""
    files = sorted(path.parent.glob(f"{path.name}{QUARANTINE_MARK}*"))
    return [file for file in files if not file.name.endswith(("-wal", "-shm"))]


def remove_unfinished_copies(path: Path) -> None:
    """Remove what a kill has left of a copy that was being made."""
    for unfinished in (path.parent / "backups").glob(f".{path.stem}-*.tmp*"):
        unfinished.unlink(missing_ok=True)
