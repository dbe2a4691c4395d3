"""The database at start: new, old, newer, broken."""

import resource
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

import app.panel.main  # noqa: F401 - declares every table
from app.panel.db import migrate
from app.panel.db.copies import back_up, quarantined
from app.panel.db.migrate import newest_schema, open_database, warnings
from pipeline.core.problems import ProblemError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_schema_is_that_of_the_models_when_all_migrations_ran(tmp_path: Path) -> None:
    database = open_database(tmp_path / "panel.db", NOW)
    with database.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            columns = {
                row[1]: (row[2], row[3])
                for row in session.connection().execute(text(f"PRAGMA table_info({table.name})"))
            }
            expected = {column.name for column in table.columns}
            assert set(columns) == expected, table.name
            for column in table.columns:
                if not column.primary_key:
                    assert bool(columns[column.name][1]) == (not column.nullable), f"{table.name}.{column.name}"
    database.close()


def test_database_is_opened_as_it_is_when_it_is_current(tmp_path: Path) -> None:
    open_database(tmp_path / "panel.db", NOW).close()
    open_database(tmp_path / "panel.db", NOW).close()
    assert not (tmp_path / "backups").exists()


def test_newer_schema_is_refused_when_the_build_is_older(tmp_path: Path) -> None:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    write(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ProblemError) as caught:
        open_database(path, NOW)
    assert caught.value.id == "DB-02"


def test_copy_is_made_when_an_old_schema_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "panel.db"
    open_database(path, NOW).close()
    monkeypatch.setattr(migrate, "newest_schema", lambda: "9998")
    monkeypatch.setattr(migrate, "_upgrade", lambda _database: None)
    open_database(path, NOW).close()
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["panel-20260101-000000.db"]


def test_nothing_is_changed_when_a_migration_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "panel.db"
    versions = Path(migrate.MIGRATIONS) / "versions"
    script = tmp_path / "migrations"
    (script / "versions").mkdir(parents=True)
    (script / "env.py").write_text((migrate.MIGRATIONS / "env.py").read_text())
    (script / "versions" / "0001_runs.py").write_text((versions / "0001_runs.py").read_text() + "    raise OSError\n")
    monkeypatch.setattr(migrate, "MIGRATIONS", script)
    with pytest.raises(ProblemError) as caught:
        open_database(path, NOW)
    assert caught.value.id == "DB-01"
    assert names(path) == set()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_corrupt_file_is_kept_and_the_backup_taken_when_there_is_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "panel.db"
    database = open_database(path, NOW)
    with database.write() as session:
        session.connection().execute(text("INSERT INTO schedule (id, armed, paused, interval_s) VALUES (1, 1, 0, 77)"))
    back_up(path, NOW)
    database.close()
    content = path.read_bytes()
    path.write_bytes({"garbage": b"\0" * 100 + content[100:], "truncated": content[:9000], "empty": b""}[damage])
    again = open_database(path, NOW + timedelta(days=1))
    with again.read() as session:
        assert session.connection().execute(text("SELECT interval_s FROM schedule")).scalar_one() == 77
    again.close()
    assert [file.name for file in quarantined(path)] == ["panel.db.corrupt-20260102-000000"]
    assert [problem.id for problem in warnings(path)] == ["DB-03"]


def test_head_is_what_alembic_says_when_it_reads_the_files() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [newest_schema()]


def test_reason_is_given_when_a_new_database_does_not_fit_on_the_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(ProblemError) as caught:
            open_database(tmp_path / "panel.db", NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.id == "DB-01"
    open_database(tmp_path / "panel.db", NOW).close()
