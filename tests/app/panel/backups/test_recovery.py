"""What was restored at a start, what is missing, and in which words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.backups.recoveries import Recoveries, restored_history
from app.panel.backups.recovery import FOUND_IN_FOLDERS, GONE, Report, brought_back, still_missing
from app.panel.clock import SystemClock
from app.panel.db.copies import back_up
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.logs.store import LogStore
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.app.panel.backups.conftest import NOW
from tests.app.panel.db.history import change, count

CLOCK = SystemClock()


def start(settings: Settings) -> tuple[Database, Recoveries]:
    """Do what a start of the panel does."""
    database = open_database(settings.database, CLOCK.now())
    folders = {"runs_dir": settings.runs_dir, "models_dir": settings.models_dir}
    return database, restored_history(database, LogStore(settings.runs_dir), **folders, clock=CLOCK)


def lose_database(settings: Settings) -> None:
    for file in settings.state_dir.glob("panel.db*"):
        file.unlink()


def test_nothing_is_said_when_nothing_was_lost(settings: Settings) -> None:
    database, recoveries = start(settings)
    assert recoveries.notice() is None
    assert recoveries.newest() == []
    database.close()


def test_nothing_is_said_when_the_panel_is_new(tmp_path: Path) -> None:
    database, recoveries = start(Settings(state_dir=tmp_path / "state", models_dir=tmp_path / "models"))
    assert recoveries.notice() is None
    database.close()


def test_every_page_and_the_audit_say_so_until_somebody_has_seen_it_when_the_database_was_gone(
    settings: Settings,
) -> None:
    lose_database(settings)
    database, recoveries = start(settings)
    notice = recoveries.notice()
    assert notice is not None
    assert notice.text.startswith(GONE)
    assert count(settings.database, "audit_entry") == 1
    database.close()
    database, recoveries = start(settings)  # another start changes nothing
    (row,) = recoveries.newest()
    assert recoveries.notice() == notice
    recoveries.confirm(row.id or 0)
    assert recoveries.notice() is None
    with pytest.raises(ProblemError) as caught:
        recoveries.confirm(99)
    assert caught.value.id == "BACKUP-01"
    database.close()


def test_time_of_the_copy_is_named_when_one_was_used(settings: Settings) -> None:
    back_up(settings.database, NOW)
    change(settings.database, "DROP TABLE api_token")
    database, recoveries = start(settings)
    (row,) = recoveries.newest()
    report = Report.model_validate(row.report)
    assert row.cause == "The database has lost the table api_token."
    assert (report.backup_at, report.incomplete) == (NOW, ("api_token",))
    assert still_missing(report) == ["API tokens are as they were at that time."]
    database.close()


def test_older_database_is_completed_and_said_when_somebody_puts_one_there(settings: Settings) -> None:
    change(settings.database, "DELETE FROM deployment WHERE id = 2")
    change(settings.database, "DELETE FROM model_version WHERE version = 2")
    database, recoveries = start(settings)
    (row,) = recoveries.newest()
    assert row.cause == FOUND_IN_FOLDERS
    assert brought_back(Report.model_validate(row.report)) == [
        "1 model version (2) was read back from the folder of models.",
        "1 deployment was read back from the ledger of models.",
    ]
    database.close()


def test_same_folder_is_reported_once_when_nothing_can_be_done_with_it(settings: Settings) -> None:
    (settings.runs_dir / "20250101-000000-abcdef").mkdir()
    for _ in range(3):
        database, recoveries = start(settings)
        assert len(recoveries.newest()) == 1
        database.close()
    (settings.runs_dir / "20250102-000000-abcdef").mkdir()
    database, recoveries = start(settings)
    assert len(recoveries.newest()) == 2
    database.close()


def test_sentences_say_what_came_back_and_what_is_missing_when_much_was_lost() -> None:
    report = Report(
        backup_at=datetime(2026, 1, 2, tzinfo=UTC),
        incomplete=("api_token", "login_session", "run", "schedule", "user"),
        runs=tuple(range(10, 213)),
        versions=(7,),
        n_deployments=3,
        missing_runs=tuple(range(20, 30)),
        lost_versions=(1, 2),
        unreadable=("a",),
        conflicting=("b", "c"),
    )
    assert brought_back(report) == [
        "What could not be read was taken from the copy of the database of that time.",
        "203 runs (10 to 212) were read back from the folder of runs.",
        "1 model version (7) was read back from the folder of models.",
        "3 deployments were read back from the ledger of models.",
    ]
    assert still_missing(report) == [
        "API tokens, the schedule, users are as they were at that time.",
        "Everybody has to log in again.",
        "Nothing is left of runs 20, 21, 22, 23, 24, 25, 26, 27 and 2 more.",
        "The files of versions 1, 2 are gone.",
        "Left alone, because they cannot be read: a.",
        "Left alone, because the history has others with the same numbers: b, c.",
    ]
