"""One writer, readers that cannot write, errors in words."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from app.panel.db import engine
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from pipeline.core.problems import ProblemError


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "panel.db", datetime(2026, 1, 1, tzinfo=UTC))
    yield database
    database.close()


def pragma(database: Database, name: str, *, writer: bool) -> object:
    with database.write() if writer else database.read() as session:
        return session.connection().execute(text(f"PRAGMA {name}")).scalar_one()


def test_commits_are_durable_and_only_the_writer_checkpoints_when_opened(database: Database) -> None:
    assert pragma(database, "journal_mode", writer=True) == "wal"
    assert pragma(database, "synchronous", writer=True) == 2
    assert pragma(database, "foreign_keys", writer=True) == 1
    assert (pragma(database, "query_only", writer=False), pragma(database, "wal_autocheckpoint", writer=False)) == (
        1,
        0,
    )


def test_reader_is_refused_when_it_writes(database: Database) -> None:
    with pytest.raises(ProblemError) as caught, database.read() as session:
        session.connection().execute(text("DELETE FROM schedule"))
    assert (caught.value.id, caught.value.status) == ("DB-05", 507)


def test_nothing_is_kept_when_the_block_raises(database: Database) -> None:
    def write() -> None:
        with database.write() as session:
            session.connection().execute(text("INSERT INTO schedule (id, armed, paused) VALUES (1, 0, 0)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    with database.read() as session:
        assert session.connection().execute(text("SELECT count(*) FROM schedule")).scalar_one() == 0


def test_lock_is_named_when_another_program_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    database = open_database(tmp_path / "panel.db", datetime(2026, 1, 1, tzinfo=UTC))
    with closing(sqlite3.connect(tmp_path / "panel.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ProblemError) as caught, database.write():
            pass
        assert (caught.value.id, caught.value.status) == ("DB-04", 503)
        with database.read() as session:
            session.connection().execute(text("SELECT 1"))
    with database.write():
        pass
    database.close()


def test_nothing_is_half_written_when_the_disk_is_full_for_a_while(database: Database) -> None:
    def fill(n: int) -> None:
        with database.write() as session:
            session.connection().execute(text("CREATE TABLE IF NOT EXISTS big (x)"))
            for _ in range(n):
                session.connection().execute(text("INSERT INTO big VALUES (zeroblob(4000))"))

    fill(1)
    with database.read() as session:
        n_pages = session.connection().execute(text("PRAGMA page_count")).scalar_one()
    with database.writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={n_pages + 10}")
    with pytest.raises(ProblemError) as caught:
        fill(50)
    assert (caught.value.id, caught.value.status, caught.value.retryable) == ("DB-05", 507, True)
    with database.writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    fill(50)
    with database.read() as session:
        assert session.connection().execute(text("SELECT count(*) FROM big")).scalar_one() == 51
