"""Copies of the database that is in use."""

import resource
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import app.panel.main  # noqa: F401 - declares every table
from app.panel.db.copies import back_up, last_backup, quarantine, quarantined
from app.panel.db.migrate import open_database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_time_of_the_newest_copy_is_known_when_there_are_some(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    assert last_backup(path) is None
    for day in range(2):
        back_up(path, NOW + timedelta(days=day))
    assert last_backup(path) == NOW + timedelta(days=1)


def test_old_copies_go_when_there_are_more_than_five(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    for day in range(7):
        back_up(path, NOW + timedelta(days=day))
    assert min(file.name for file in (tmp_path / "backups").iterdir()) == "panel-20260103-000000.db"
    assert len(list((tmp_path / "backups").iterdir())) == 5


def test_nothing_is_left_of_a_copy_when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    database = open_database(path, NOW)
    back_up(path, NOW)
    (tmp_path / "backups" / ".panel-20251231-000000.db.tmp").write_bytes(b"cut off")
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE big (x)"))
        session.connection().execute(text("INSERT INTO big VALUES (zeroblob(4000000))"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(sqlite3.OperationalError):
            back_up(path, NOW + timedelta(days=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["panel-20260101-000000.db"]
    database.close()


def test_sound_copies_are_kept_when_the_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    back_up(path, NOW)
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    path.write_bytes(content)
    for day in range(1, 7):
        with pytest.raises(sqlite3.OperationalError, match="damaged"):
            back_up(path, NOW + timedelta(days=day))
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["panel-20260101-000000.db"]


def test_newest_three_damaged_files_are_kept_when_there_are_more(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    for day in range(5):
        for suffix in ("", "-wal"):
            path.with_name(path.name + suffix).write_bytes(b"x")
        quarantine(path, NOW + timedelta(days=day))
    assert [file.name for file in quarantined(path)] == [f"panel.db.corrupt-2026010{day}-000000" for day in (3, 4, 5)]
    assert len(list(tmp_path.iterdir())) == 6
