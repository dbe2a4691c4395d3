"""What could not be written when it happened is written as soon as the database takes it, in order."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app.panel.db import engine, late_writes, patience
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from bench.wait import until


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(patience, "RETRY_S", 0.01)
    database = open_database(tmp_path / "panel.db", datetime(2026, 1, 1, tzinfo=UTC))
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE said (word)"))
    yield database
    database.close()


def say(word: str) -> Callable[[Session], object]:
    return lambda tx: tx.connection().execute(text("INSERT INTO said VALUES (:word)"), {"word": word})


def said(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.connection().execute(text("SELECT word FROM said ORDER BY rowid")).scalars())


def test_it_is_written_at_once_when_the_database_is_free(database: Database) -> None:
    database.write_now_or_later(say("one"), "say")
    assert said(database) == ["one"]


def test_all_is_written_in_order_when_another_program_lets_go(database: Database) -> None:
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for word in ("one", "two", "three"):
            database.write_now_or_later(say(word), "say")
        assert said(database) == []
    until(lambda: said(database) == ["one", "two", "three"], what="all is written")


def test_the_next_is_written_when_one_fails(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        database.write_now_or_later(say("one"), "say")
        database.write_now_or_later(lambda _: 1 // 0, "divide")
        database.write_now_or_later(say("two"), "say")
    until(lambda: said(database) == ["one", "two"], what="all is written")
    assert "action=divide result=lost" in caplog.text


def test_memory_is_bounded_when_the_lock_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(late_writes, "MAX_WAITING", 1)
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        database.write_now_or_later(say("one"), "say")
        database.write_now_or_later(say("two"), "say")
        assert "action=say result=lost" in caplog.text
    until(lambda: said(database) == ["one"], what="the first is written")
