"""Who restarts a service is in the audit, also where it does not start again."""

import socket
from pathlib import Path

import pytest
from sqlmodel import select

from app.panel.audit.actor import Actor, acting
from app.panel.audit.log import AuditLog
from app.panel.audit.tables import AuditEntry
from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.services.restart import restart
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import Supervise, fake_spec


@pytest.mark.process
def test_row_says_that_it_failed_when_the_service_does_not_start(supervise: Supervise, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        supervisor = supervise(fake_spec("api", other.getsockname()[1]))
        clock = SystemClock()
        db = open_database(tmp_path / "panel.db", clock.now())
        with acting(Actor("anna", "password")), pytest.raises(ProblemError) as caught:
            restart(supervisor, AuditLog(db, clock), "api")
    with db.read() as session:
        (row,) = session.exec(select(AuditEntry)).all()
    db.close()
    assert (row.actor, row.action, row.target, row.outcome) == ("anna", "service.restart", "api", "failed")
    assert row.detail == caught.value.what
