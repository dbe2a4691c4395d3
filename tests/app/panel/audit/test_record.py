"""Rows of the audit are added with what they describe, and stay."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from app.panel.audit.actor import PANEL, Actor, acting, current_actor
from app.panel.audit.record import record
from app.panel.audit.tables import AuditEntry
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ANNA = Actor("anna", "password", "203.0.113.5")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "panel.db", NOW)
    yield database
    database.close()


def rows(db: Database) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.exec(select(AuditEntry)).all())


def test_row_names_who_acts_and_what_changed_when_somebody_does(db: Database) -> None:
    with acting(ANNA), db.write() as tx:
        record(tx, NOW, "schedule.pause", "cycle", before={"paused": False}, after={"paused": True})
    (row,) = rows(db)
    assert (row.actor, row.via, row.address) == ("anna", "password", "203.0.113.5")
    assert (row.action, row.before, row.after, row.outcome) == (
        "schedule.pause",
        {"paused": False},
        {"paused": True},
        "ok",
    )
    assert row.at == NOW


def test_nothing_is_recorded_when_the_panel_acts_by_itself(db: Database) -> None:
    with db.write() as tx:
        record(tx, NOW, "run.start", "7")
    assert (rows(db), current_actor()) == ([], PANEL)


def test_row_is_undone_with_its_transaction_when_that_fails(db: Database) -> None:
    def fail() -> None:
        with acting(ANNA), db.write() as tx:
            record(tx, NOW, "run.start", "7")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows(db) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'eve'",
        "DELETE FROM audit_entry",
        (
            "INSERT OR REPLACE INTO audit_entry SELECT id, at, 'eve', via, address, action, target, before, after, outcome, detail "
            "FROM audit_entry"
        ),
    ],
)
def test_rows_stay_as_they_are_when_somebody_tries_to_change_them(db: Database, statement: str) -> None:
    with acting(ANNA), db.write() as tx:
        record(tx, NOW, "run.cancel", "7")
    with pytest.raises(IntegrityError, match="cannot be changed"), db.write() as tx:
        tx.connection().execute(text(statement))
    assert [row.actor for row in rows(db)] == ["anna"]
