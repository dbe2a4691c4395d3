"""Runs come back from their folders when the database has lost them."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.panel.runs.domain.decide import PANEL_STOPPED
from app.panel.runs.domain.restore import READ_BACK, RestoredRuns, restore_runs
from app.panel.runs.domain.run_file import RUN_FILE
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.tables import Run, RunEvent, StageAttempt
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import PanelHarness, with_faulty_stage

pytestmark = pytest.mark.process


def rows(harness: PanelHarness) -> list[dict[str, Any]]:
    """Return all that the database knows of runs and attempts."""
    with harness.db.read() as session:
        runs = [row.model_dump() for row in session.exec(select(Run).order_by(Run.id))]
        attempts = [row.model_dump() for row in session.exec(select(StageAttempt))]
    return runs + sorted(attempts, key=lambda row: (row["run_id"], row["started_at"], row["stage"]))


def lose_database(harness: PanelHarness) -> None:
    """Open the panel again on the same folders, without its database."""
    harness.close()
    for file in harness.settings.state_dir.glob("panel.db*"):
        file.unlink()
    harness.open()


def restore(harness: PanelHarness) -> RestoredRuns:
    return restore_runs(harness.db, harness.logs, harness.settings.runs_dir, harness.clock.now())


def test_every_column_is_as_before_when_the_database_is_lost(make_harness: MakeHarness) -> None:
    harness = make_harness()
    for _ in range(2):
        harness.run_to_end(force=True)
    before = rows(harness)
    lose_database(harness)
    assert restore(harness) == RestoredRuns(numbers=(1, 2))
    assert rows(harness) == before
    with harness.db.read() as session:
        events = list(session.exec(select(RunEvent)))
    assert [(event.new, event.reason) for event in events] == [(RunState.SUCCEEDED, READ_BACK)] * 2


def test_nothing_is_done_when_the_database_knows_all_runs(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.run_to_end()
    (harness.settings.runs_dir / "notes").mkdir()
    assert restore(harness) == RestoredRuns()


def test_reason_and_error_come_back_when_the_run_had_failed(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("refuses"))
    before = harness.store.get(harness.run_to_end().row.id)
    lose_database(harness)
    restore(harness)
    after = harness.store.get(before.id)
    assert (after.state, after.reason, after.error) == (RunState.FAILED, before.reason, before.error)


def test_run_was_interrupted_when_its_folder_does_not_say_how_it_ended(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    path = harness.settings.runs_dir / run_id / RUN_FILE
    content = json.loads(path.read_text())
    content["run"]["state"], content["run"]["finished_at"] = "running", None
    path.write_text(json.dumps(content))
    lose_database(harness)
    restore(harness)
    row = harness.newest().row
    assert (row.state, row.reason) == (RunState.INTERRUPTED, PANEL_STOPPED)


def test_run_ends_as_its_folder_says_when_an_older_copy_still_has_it_under_way(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    lose_database(harness)
    with harness.db.write() as session:
        at = harness.clock.now()
        session.add(
            Run(id=run_id, number=1, state="running", from_stage="set_seed", params={}, requested_by="", created_at=at)
        )
    assert restore(harness).numbers == (1,)
    assert harness.newest().row.state == RunState.SUCCEEDED


def test_lost_numbers_are_named_when_the_folders_have_gaps(make_harness: MakeHarness) -> None:
    harness = make_harness()
    ids = [harness.run_to_end(force=True).row.id for _ in range(3)]
    folder = harness.settings.runs_dir / ids[1]
    folder.rename(harness.settings.state_dir / "elsewhere")
    lose_database(harness)
    assert restore(harness) == RestoredRuns(numbers=(1, 3), missing=(2,))


def test_folder_is_left_alone_when_another_run_has_its_number(make_harness: MakeHarness) -> None:
    harness = make_harness()
    old = harness.run_to_end().row.id
    lose_database(harness)
    new = harness.run_to_end(force=True).row.id
    assert restore(harness) == RestoredRuns(conflicting=(old,))
    assert harness.newest().row.id == new


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2, "run": {}}', '{"run": {"id": "x"}}'])
def test_log_is_read_instead_when_the_file_of_the_run_cannot_be(make_harness: MakeHarness, content: str) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    (harness.settings.runs_dir / run_id / RUN_FILE).write_text(content)
    lose_database(harness)
    assert restore(harness).numbers == (1,)


def test_folder_is_named_when_it_tells_of_no_run(make_harness: MakeHarness) -> None:
    harness = make_harness()
    empty: Path = harness.settings.runs_dir / "20260101-000000-abcdef"
    empty.mkdir(parents=True)
    assert restore(harness) == RestoredRuns(unreadable=(empty.name,))
