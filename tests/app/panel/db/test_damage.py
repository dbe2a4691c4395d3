"""What is found to be wrong with a database file."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import app.panel.main  # noqa: F401 - declares every table
from app.panel.db.damage import TRIGGERS, content_damage, file_damage
from app.panel.db.migrate import open_database
from tests.app.panel.db.history import NOW, change, fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    fill(path, 5)
    return path


def test_nothing_is_found_when_the_database_is_as_it_was_written(path: Path) -> None:
    assert file_damage(path) == ""
    assert content_damage(path) == ""


def test_triggers_are_those_of_the_schema_when_all_migrations_ran(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    assert found == TRIGGERS


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DROP TABLE run_event", "the table run_event"),
        ("DROP INDEX ux_run_active", "the index ux_run_active"),
        ("DROP TRIGGER run_final_is_final", "the trigger run_final_is_final"),
        ("ALTER TABLE schedule DROP COLUMN paused", "the column schedule.paused"),
    ],
)
def test_what_is_missing_is_named_when_the_schema_has_lost_it(path: Path, statement: str, named: str) -> None:
    change(path, statement)
    assert content_damage(path) == f"The database has lost {named}."


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("'{\"seed\": '", "params"),
        ("'[1, 2]'", "params"),
        ("'the day before yesterday'", "created_at"),
        ("'2026-02-30 10:00:00.000000'", "created_at"),
        ("'two'", "number"),
        ("'dreaming'", "state"),
        ("'sideways'", "trigger"),
        ("7", "force"),
        ("x'00'", "requested_by"),
        ("'long'", "duration_s"),
    ],
)
def test_row_and_column_are_named_when_a_value_cannot_be_read(path: Path, value: str, column: str) -> None:
    change(path, "DROP TRIGGER run_final_is_final")
    change(path, f"UPDATE run SET {column} = {value} WHERE number = 3")
    change(
        path,
        "CREATE TRIGGER run_final_is_final BEFORE UPDATE OF state ON run WHEN 0 BEGIN SELECT RAISE(ABORT, ''); END",
    )
    assert content_damage(path) == f"Row 3 ({column}) of the table run cannot be read."


def test_table_is_named_when_a_text_is_not_utf8(path: Path) -> None:
    change(path, "UPDATE run SET reason = CAST(x'ff41' AS TEXT) WHERE number = 2")
    assert content_damage(path).startswith("A row of the table run cannot be read: ")


def test_few_rows_are_named_when_many_cannot_be_read(path: Path) -> None:
    fill(path, 12, first=6)
    change(path, "UPDATE run SET params = 'x'")
    assert content_damage(path).startswith(
        "Rows 1 (params), 2 (params), 3 (params), 4 (params), 5 (params) and 12 more"
    )


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000])
def test_file_is_damaged_when_it_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "panel.db").write_bytes(content)
    assert file_damage(tmp_path / "panel.db")


def test_dates_are_as_they_are_stored_when_the_program_writes_them(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (created,) = connection.execute("SELECT created_at FROM run WHERE number = 1").fetchone()
    assert datetime.fromisoformat(created).replace(tzinfo=UTC) == NOW
