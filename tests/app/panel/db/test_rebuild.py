"""A database that is damaged or gone is rebuilt from what can be read; nothing that can be is lost."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import app.panel.main  # noqa: F401 - declares every table
from app.panel.db import migrate, rebuild
from app.panel.db.copies import back_up, quarantined
from app.panel.db.migrate import open_database
from app.panel.db.restored import Restored
from pipeline.core.problems import ProblemError
from tests.app.panel.db.history import AT, NOW, change, count, fill, numbers

LATER = NOW + timedelta(hours=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with 400 runs, of which 300 are in its copy, too."""
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    fill(path, 300)
    change(
        path,
        f"INSERT INTO api_token (name, scope, digest, owner, created_at) VALUES ('ci', 'run', 'd1', 'admin', '{AT}')",
    )
    change(path, f"INSERT INTO login_session VALUES ('old', 'admin', 'link', '{AT}', '{AT}', 0, '', '')")
    back_up(path, NOW)
    fill(path, 100, first=301)
    change(path, f"UPDATE api_token SET revoked_at = '{AT}'")
    change(path, "DELETE FROM login_session")
    return path


def reopen(path: Path) -> Restored:
    database = open_database(path, LATER)
    database.close()
    assert database.restored is not None
    return database.restored


def overwrite_middle(path: Path, table: str) -> None:
    """Write garbage over a page in the middle of the table's tree."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = [
            number
            for (number,) in connection.execute(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (table,)
            )
        ]
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * size)
        file.write(b"\xa5" * size)


def test_nothing_is_said_when_the_database_is_sound(path: Path) -> None:
    database = open_database(path, LATER)
    database.close()
    assert database.restored is None
    assert quarantined(path) == []


def test_newest_copy_is_taken_when_the_file_is_gone(path: Path) -> None:
    path.unlink()
    restored = reopen(path)
    assert numbers(path) == list(range(1, 301))
    assert restored == Restored("The file was gone.", None, NOW, restored.incomplete)
    assert {"run", "api_token", "schedule"} <= set(restored.incomplete)


def test_what_was_in_its_journal_is_not_mixed_in_when_only_the_file_is_gone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE run SET reason = 'in the journal'")
        connection.commit()
        shutil.copy(f"{path}-wal", f"{path}-wal.kept")
    path.unlink()
    Path(f"{path}-wal.kept").rename(f"{path}-wal")
    reopen(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM run WHERE reason = 'in the journal'").fetchone() == (0,)


def test_only_that_row_is_taken_from_the_copy_when_one_row_cannot_be_read(path: Path) -> None:
    change(path, "UPDATE run SET params = '{' WHERE number = 7")
    restored = reopen(path)
    assert restored.cause == "Row 7 (params) of the table run cannot be read."
    assert restored.incomplete == ("run",)
    assert numbers(path) == list(range(1, 401))
    assert [file.name for file in quarantined(path)] == ["panel.db.corrupt-20260101-050000"]
    with closing(sqlite3.connect(path)) as connection:  # what was revoked after the copy stays so
        assert connection.execute("SELECT revoked_at FROM api_token").fetchone() == (AT,)


def test_row_is_left_out_when_no_copy_has_it_either(path: Path) -> None:
    change(path, "UPDATE run SET params = '{' WHERE number = 350")
    reopen(path)
    assert numbers(path) == [number for number in range(1, 401) if number != 350]
    assert count(path, "stage_attempt") == 399


def test_text_that_is_not_utf8_costs_its_row_only_when_there_is_no_copy(path: Path) -> None:
    shutil.rmtree(path.parent / "backups")
    change(path, "UPDATE run SET reason = CAST(x'ff' AS TEXT) WHERE number = 2")
    restored = reopen(path)
    assert restored.backup_at is None
    assert numbers(path) == [1, *range(3, 401)]


def test_table_is_filled_from_the_copy_when_it_was_dropped(path: Path) -> None:
    change(path, "DROP TABLE run_event")
    restored = reopen(path)
    assert restored.cause == "The database has lost the table run_event."
    assert restored.incomplete == ("run_event",)
    assert count(path, "run_event") == 600
    assert numbers(path) == list(range(1, 401))


def test_rows_on_both_sides_are_kept_when_a_page_in_the_middle_is_damaged(path: Path) -> None:
    overwrite_middle(path, "run")
    restored = reopen(path)
    assert "run" in restored.incomplete
    assert "api_token" not in restored.incomplete
    kept = numbers(path)
    assert set(range(1, 301)) <= set(kept)  # the page's own rows are in the copy
    assert max(kept) == 400


def test_no_session_comes_back_when_its_table_is_taken_from_the_copy(path: Path) -> None:
    change(path, "DROP TABLE login_session")
    reopen(path)
    assert count(path, "login_session") == 0


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_everything_is_kept_when_only_the_number_of_the_schema_is_lost(path: Path, statement: str) -> None:
    change(path, statement)
    assert reopen(path).incomplete == ()
    assert numbers(path) == list(range(1, 401))


def test_everything_is_kept_when_an_older_schema_cannot_be_migrated(path: Path) -> None:
    change(path, "UPDATE alembic_version SET version_num = '0004'")  # `known_device` is there already
    assert reopen(path).incomplete == ()
    assert numbers(path) == list(range(1, 401))


def test_database_of_another_program_is_refused_when_it_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    change(path, "CREATE TABLE invoices (id)")
    with pytest.raises(ProblemError) as caught:
        open_database(path, NOW)
    assert caught.value.id == "DB-06"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]


@pytest.mark.parametrize("at", ["build", "move", "replace"])
def test_nothing_more_is_lost_when_a_rebuild_was_killed(path: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    change(path, "UPDATE run SET params = '{' WHERE number = 350")
    if at == "build":
        monkeypatch.setattr(rebuild, "file_damage", die)
    elif at == "move":
        monkeypatch.setattr(rebuild, "quarantine", die)
    else:
        monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KilledError):
        open_database(path, LATER)
    monkeypatch.undo()
    reopen(path)
    assert numbers(path) == [number for number in range(1, 401) if number != 350]
    assert [file.name for file in path.parent.glob(".panel.db.*")] == []
    assert len(quarantined(path)) == 1


def test_database_stays_as_it_is_when_the_disk_has_no_room_for_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_database: object) -> None:
        raise OSError(28, "No space left on device")

    change(path, "UPDATE run SET params = '{' WHERE number = 350")
    monkeypatch.setattr(migrate, "_upgrade", full)
    with pytest.raises(ProblemError) as caught:
        open_database(path, LATER)
    assert caught.value.id == "DB-01"
    assert len(numbers(path)) == 400
    assert quarantined(path) == []
