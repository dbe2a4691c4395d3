"""The truth at boot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.panel.runs.domain.decide import PANEL_STOPPED
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.stage_process.stage_main import ATTEMPT_ENV
from app.processes.tree import identity, is_running
from bench.wait import until
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import RUN_S, PanelHarness
from tests.app.processes.processes import SLEEP

pytestmark = pytest.mark.process


def left_running(harness: PanelHarness, stage: str = "set_seed") -> str:
    """Return a run as a killed panel leaves it."""
    run_id = harness.runs.start().id
    harness.store.move(run_id, RunState.QUEUED, RunState.RUNNING, started_at=harness.clock.now())
    harness.store.begin_attempt(run_id, stage)
    return run_id


@contextmanager
def sleeper(**environ: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP, start_new_session=True, env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_run_is_interrupted_and_gone_on_with_when_the_panel_was_killed(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = left_running(harness)
    harness.recover()
    left = harness.queries.detail(run_id)
    assert (left.row.state, left.row.reason) == (RunState.INTERRUPTED, PANEL_STOPPED)
    assert left.stages[0].state == "interrupted"
    assert harness.logs.read(run_id)[-1].text == f"Run 1 interrupted. {PANEL_STOPPED}"
    recovery = harness.newest().row
    assert (recovery.trigger, recovery.parent_id, recovery.state) == (Trigger.RECOVERY, run_id, RunState.QUEUED)
    harness.recover()  # killed during recovery and started again: nothing more happens
    assert harness.newest().row.id == recovery.id
    assert harness.run_to_end().row.state == RunState.SUCCEEDED


def test_recovery_goes_on_from_the_last_finished_stage_when_some_were(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.run_to_end()
    done = harness.settings.runs_dir / harness.newest().row.id
    run_id = left_running(harness, "train_model")
    folder = harness.settings.runs_dir / run_id
    folder.mkdir()
    for name in ("set_seed.json", "process_data.json"):
        (folder / name).write_bytes((done / name).read_bytes())
    harness.recover()
    assert harness.newest().row.from_stage == "train_model"
    assert [stage.state for stage in harness.run_to_end().stages] == ["reused", "reused", "succeeded", "succeeded"]


def test_recovery_ends_when_a_run_takes_the_panel_down_again_and_again(make_harness: MakeHarness) -> None:
    harness = make_harness()
    left_running(harness)
    for _ in range(3):
        harness.recover()
        active = harness.store.find_active()
        assert active is not None
        harness.store.move(active.id, RunState.QUEUED, RunState.RUNNING, started_at=harness.clock.now())
    harness.recover()
    assert harness.store.find_active() is None
    assert harness.newest().row.number == 4


def test_cancel_stays_the_last_word_when_the_panel_was_killed_meanwhile(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = left_running(harness)
    harness.runs.cancel(run_id, requested_by="ann")
    harness.recover()
    assert harness.queries.detail(run_id).row.reason == "Cancelled by ann."
    assert harness.newest().row.state == RunState.CANCELLED


def test_retry_keeps_its_due_time_and_count_when_the_panel_was_restarted(make_harness: MakeHarness) -> None:
    harness = make_harness(retries=3, retry_delay_s=30.0)
    run_id = left_running(harness)
    harness.store.interrupt_attempts(run_id)
    due = harness.clock.now() + timedelta(milliseconds=200)
    harness.store.move(run_id, RunState.RUNNING, RunState.RETRYING, retry_at=due, n_failures=2)
    harness.close()
    harness.open()
    harness.recover()
    row = harness.newest().row
    assert (row.id, row.state, row.n_failures) == (run_id, RunState.RETRYING, 2)
    run = harness.run_to_end()
    assert run.row.state == RunState.SUCCEEDED
    assert [attempt.attempt for attempt in run.stages[0].attempts] == [1, 2]
    assert run.stages[0].attempts[1].started_at >= due


def test_processes_are_killed_when_they_were_started_by_an_attempt(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = left_running(harness)
    folder = harness.settings.runs_dir / run_id / "attempts"
    folder.mkdir(parents=True)
    mark = {ATTEMPT_ENV: f"{run_id}/set_seed/1"}
    with sleeper() as stage, sleeper(**mark) as escaped, sleeper() as stranger, sleeper() as other:
        (folder / "set_seed-1.out.pid").write_text(json.dumps(identity(stage.pid)))
        # The same pid, but noted before that process started: the pid was given out again.
        (folder / "set_seed-2.out.pid").write_text(json.dumps({**identity(stranger.pid), "started_ticks": 1}))
        harness.recover()
        assert stage.wait(10) == -9
        assert escaped.wait(10) == -9
        assert (stranger.poll(), other.poll()) == (None, None)


def test_nothing_of_a_stage_is_alive_when_the_panel_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.app.panel.runs.panel_harness import PanelHarness, with_faulty_stage;"
        "PanelHarness(Path(sys.argv[1]), with_faulty_stage('hangs')).run_to_end()"
    )
    panel = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    runs = tmp_path / "state" / "runs"
    try:
        [path] = until(
            lambda: [path for path in runs.glob("*/pids") if path.read_text()],
            within_s=RUN_S,
            what="the stage writes its pids",
        )
        stage, its_child = (int(pid) for pid in path.read_text().split())
    finally:
        panel.kill()
        panel.wait()
    until(lambda: not is_running(stage) and not is_running(its_child), within_s=5, what="the stage and its child end")
    harness = PanelHarness(tmp_path)
    harness.recover()
    assert [row.state for row in harness.queries.page().rows] == [RunState.QUEUED, RunState.INTERRUPTED]
    harness.close()
