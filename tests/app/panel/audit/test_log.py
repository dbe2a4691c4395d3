"""What was done outside of the database is recorded after it, and stays done where that cannot be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import select

from app.panel.audit.actor import Actor, acting
from app.panel.audit.log import AuditLog
from app.panel.audit.tables import AuditEntry
from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database


def test_log_says_what_was_done_when_the_audit_cannot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = open_database(tmp_path / "panel.db", datetime(2026, 11, 26, tzinfo=UTC))
    audit = AuditLog(db, SystemClock())
    with acting(Actor("anna", "password")):
        audit.note("dataset.upload", "a.csv", after={"n_bytes": 3})
        with db.writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        audit.note("dataset.remove", "a.csv")
    with db.read() as session:
        assert [row.action for row in session.exec(select(AuditEntry))] == ["dataset.upload"]
    assert "action=dataset.remove target='a.csv' by=Actor(name='anna'" in caplog.text
    db.close()
