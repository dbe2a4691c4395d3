"""Probes: what they say, and that they cost no more the more often they are asked for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.panel import probes
from app.panel.db.engine import Database
from app.panel.probes import DatabaseProbe
from app.panel.schedule.ticker import Ticker
from app.web.app_objects import provide


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "panel.db")
    yield database
    database.close()


class Beat(Ticker):
    """A schedule that ticks, or does not."""

    def __init__(self, *, ticks: bool) -> None:
        self._ticks = ticks

    @property
    def ticking(self) -> bool:
        return self._ticks


def client(db: Database, *, ticks: bool = True) -> TestClient:
    app = FastAPI()
    app.include_router(probes.router)
    provide(app, [DatabaseProbe(db), Beat(ticks=ticks)], {Ticker: Beat(ticks=ticks)})
    return TestClient(app)


def test_it_is_ready_when_the_database_is_writable_and_the_schedule_ticks(db: Database) -> None:
    answer = client(db).get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "writable", "scheduler": "ticking"}


def test_it_is_not_ready_when_the_schedule_does_not_tick(db: Database) -> None:
    answer = client(db, ticks=False).get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "writable", "scheduler": "not ticking"}


def test_no_detail_is_told_when_the_database_cannot_be_opened(tmp_path: Path) -> None:
    answer = client(Database(tmp_path)).get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "not writable", "scheduler": "ticking"}


def test_it_answers_in_time_when_somebody_else_holds_the_database(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "ANSWER_WITHIN_S", 0.05)
    with db.write():
        assert client(db).get("/readyz").json()["database"] == "not writable"


def test_the_database_is_tried_once_when_many_ask(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Database] = []

    def noted(db: Database) -> bool:
        tries.append(db)
        return True

    monkeypatch.setattr(probes, "_can_write", noted)
    monkeypatch.setattr(probes, "KNOWN_FOR_S", 60.0)

    async def ask() -> list[bool]:
        probe = DatabaseProbe(db)
        at_once = await asyncio.gather(*(probe.is_writable() for _ in range(50)))
        return [*at_once, await probe.is_writable()]

    assert asyncio.run(ask()) == [True] * 51
    assert tries == [db]


def test_the_database_is_tried_again_when_a_result_is_old(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([False, True])
    monkeypatch.setattr(probes, "_can_write", lambda _: next(results))
    monkeypatch.setattr(probes, "KNOWN_FOR_S", 0.0)

    async def ask() -> list[bool]:
        probe = DatabaseProbe(db)
        return [await probe.is_writable(), await probe.is_writable()]

    assert asyncio.run(ask()) == [False, True]
