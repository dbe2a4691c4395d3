"""The file that a run leaves in its folder."""

import pytest

from app.panel.runs.domain.run_file import RUN_FILE, read_run_file, write_missing_run_files, write_run_file
from tests.app.panel.runs.conftest import MakeHarness

pytestmark = pytest.mark.process


def test_rows_are_as_they_were_when_the_file_is_read(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    stored, told = harness.store.snapshot(run_id), read_run_file(harness.settings.runs_dir / run_id)
    assert told is not None
    assert told.run.model_dump() == stored.run.model_dump()
    assert [attempt.model_dump() for attempt in told.attempts] == [attempt.model_dump() for attempt in stored.attempts]


def test_file_is_written_later_when_an_earlier_version_left_none(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    file = harness.settings.runs_dir / run_id / RUN_FILE
    content = file.read_bytes()
    file.unlink()
    (harness.settings.runs_dir / "something else").mkdir()
    active = harness.runs.start().id
    (harness.settings.runs_dir / active).mkdir()
    write_missing_run_files(harness.store, harness.settings.runs_dir)
    assert file.read_bytes() == content
    assert not (harness.settings.runs_dir / active / RUN_FILE).exists()


def test_run_goes_on_when_the_file_cannot_be_written(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.run_to_end().row.id
    file = harness.settings.runs_dir / run_id / RUN_FILE
    file.unlink()
    file.mkdir()
    write_run_file(harness.settings.runs_dir, harness.store.snapshot(run_id))
    assert read_run_file(harness.settings.runs_dir / run_id) is None


def test_file_of_another_run_is_not_taken_when_a_folder_was_copied(make_harness: MakeHarness) -> None:
    harness = make_harness()
    folder = harness.settings.runs_dir / harness.run_to_end().row.id
    copy = folder.with_name("20260101-000000-abcdef")
    copy.mkdir()
    (copy / RUN_FILE).write_bytes((folder / RUN_FILE).read_bytes())
    assert read_run_file(copy) is None
