"""Backups are made when they are due or asked for, one at a time, and the oldest go."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.panel.audit.log import AuditLog
from app.panel.backups.place import Place
from app.panel.backups.service import BackupService
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.settings import Settings
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock

Make = Callable[..., BackupService]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make(settings: Settings, clock: HandClock) -> Iterator[Make]:
    """Yield what makes the service, with settings of the test."""
    databases: list[Database] = []

    def make(**changes: object) -> BackupService:
        databases.append(open_database(settings.database, clock.now()))
        changed = settings.model_copy(update=changes)
        place = Place(changed.backup_place)
        return BackupService(changed, place, clock, AuditLog(databases[-1], clock))

    yield make
    for database in databases:
        database.close()


def names(service: BackupService) -> list[str]:
    return [backup.name for backup in service.place.list()]


def test_none_is_made_by_itself_when_there_is_no_other_place(make: Make, clock: HandClock) -> None:
    service = make()
    clock.s += 1e6
    service.run_once()
    assert (names(service), service.state().next_at) == ([], None)


def test_one_is_made_each_day_when_there_is_a_place_for_them(make: Make, clock: HandClock, tmp_path: Path) -> None:
    service = make(backup_url=str(tmp_path / "away"))
    service.run_once()
    assert len(names(service)) == 1
    assert service.state().next_at == clock.now().replace(microsecond=0) + timedelta(days=1)
    clock.s += 86_390
    service.run_once()
    assert len(names(service)) == 1
    clock.s += 20
    service.run_once()
    assert len(names(service)) == 2


def test_next_one_is_due_a_day_after_the_last_when_the_panel_has_restarted(
    make: Make, clock: HandClock, tmp_path: Path
) -> None:
    make(backup_url=str(tmp_path / "away")).run_once()
    again = make(backup_url=str(tmp_path / "away"))
    again.run_once()
    assert len(names(again)) == 1


def test_oldest_go_when_there_are_more_than_are_kept(make: Make, clock: HandClock, tmp_path: Path) -> None:
    service = make(backup_url=str(tmp_path / "away"), backup_keep=2)
    for _ in range(4):
        service.run_once()
        clock.s += 90_000
    assert len(names(service)) == 2


def test_one_is_made_when_somebody_asks_for_it(make: Make) -> None:
    service = make()
    service.start()
    try:
        service.request()
        until(lambda: service.state().running_since is None, within_s=30.0, what="the backup is made")
        assert len(names(service)) == 1
    finally:
        service.close()


def test_second_one_is_refused_when_one_is_being_made(make: Make) -> None:
    service = make()
    service.request()
    with pytest.raises(ProblemError) as caught:
        service.request()
    assert caught.value.id == "BACKUP-05"


def test_reason_is_shown_and_it_is_tried_again_in_an_hour_when_the_place_refuses(
    make: Make, clock: HandClock, tmp_path: Path
) -> None:
    place = tmp_path / "away"
    place.write_text("no folder")
    service = make(backup_url=str(place / "below"))
    service.run_once()
    state = service.state()
    assert state.problem is not None
    assert state.problem.id == "BACKUP-03"
    place.unlink()
    service.run_once()
    assert service.state().problem is not None
    clock.s += 3700
    service.run_once()
    assert (service.state().problem, len(names(service))) == (None, 1)


def test_page_does_not_wait_when_the_place_is_far_away(make: Make, tmp_path: Path) -> None:
    place = tmp_path / "away"
    service = make(backup_url=str(place))
    assert service.state().backups == ()
    service.run_once()
    assert [backup.name for backup in service.state().backups] == names(service)
    shutil.rmtree(place)
    place.write_text("no folder")
    assert len(service.state().backups) == 1  # as it was when it was last looked at
    service.look()
    problem = service.state().place_problem
    assert problem is not None
    assert problem.id == "BACKUP-03"
