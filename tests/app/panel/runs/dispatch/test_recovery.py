"""The truth at boot."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from app.panel.runs.dispatch.recovery import WENT_AWAY
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.stage_process.stage_main import ATTEMPT_ENV, identity
from tests.app.panel.runs.conftest import MakeHouse
from tests.app.panel.runs.panel_harness import House, is_alive


def left_running(house: House, stage: str = "set_seed") -> str:
    """A run as a killed panel leaves it."""
    run_id = house.runs.start().id
    house.store.move(run_id, RunState.QUEUED, RunState.RUNNING, started_at=house.clock.now())
    house.store.begin_attempt(run_id, stage)
    return run_id


@contextmanager
def sleeper(**environ: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True, env={**os.environ, **environ}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_run_is_interrupted_and_gone_on_with_when_the_panel_was_killed(make_house: MakeHouse) -> None:
    house = make_house()
    run_id = left_running(house)
    house.reconcile()
    left = house.queries.detail(run_id)
    assert (left.row.state, left.row.reason) == (RunState.INTERRUPTED, WENT_AWAY)
    assert left.stages[0].state == "interrupted"
    assert house.logs.read(run_id)[-1].text == f"Run 1 interrupted. {WENT_AWAY}"
    recovery = house.newest().row
    assert (recovery.trigger, recovery.parent_id, recovery.state) == (Trigger.RECOVERY, run_id, RunState.QUEUED)
    house.reconcile()  # killed during recovery and started again: nothing more happens
    assert house.newest().row.id == recovery.id
    assert house.play().row.state == RunState.SUCCEEDED


def test_recovery_goes_on_from_the_last_finished_stage_when_some_were(make_house: MakeHouse) -> None:
    house = make_house()
    house.play()
    done = house.settings.runs_dir / house.newest().row.id
    run_id = left_running(house, "train_model")
    folder = house.settings.runs_dir / run_id
    folder.mkdir()
    for name in ("set_seed.json", "process_data.json"):
        (folder / name).write_bytes((done / name).read_bytes())
    house.reconcile()
    assert house.newest().row.from_stage == "train_model"
    assert [stage.state for stage in house.play().stages] == ["reused", "reused", "succeeded", "succeeded"]


def test_recovery_ends_when_a_run_takes_the_panel_down_again_and_again(make_house: MakeHouse) -> None:
    house = make_house()
    left_running(house)
    for _ in range(3):
        house.reconcile()
        active = house.store.find_active()
        assert active is not None
        house.store.move(active.id, RunState.QUEUED, RunState.RUNNING, started_at=house.clock.now())
    house.reconcile()
    assert house.store.find_active() is None
    assert house.newest().row.number == 4


def test_cancel_stays_the_last_word_when_the_panel_was_killed_meanwhile(make_house: MakeHouse) -> None:
    house = make_house()
    run_id = left_running(house)
    house.runs.cancel(run_id, requested_by="ann")
    house.reconcile()
    assert house.queries.detail(run_id).row.reason == "Cancelled by ann."
    assert house.newest().row.state == RunState.CANCELLED


def test_retry_keeps_its_due_time_and_count_when_the_panel_was_restarted(make_house: MakeHouse) -> None:
    house = make_house(retries=3, retry_delay_s=30.0)
    run_id = left_running(house)
    house.store.interrupt_attempts(run_id)
    due = house.clock.now() + timedelta(milliseconds=200)
    house.store.move(run_id, RunState.RUNNING, RunState.RETRYING, retry_at=due, n_failures=2)
    house.close()
    house.open()
    house.reconcile()
    row = house.newest().row
    assert (row.id, row.state, row.n_failures) == (run_id, RunState.RETRYING, 2)
    run = house.play()
    assert run.row.state == RunState.SUCCEEDED
    assert [attempt.attempt for attempt in run.stages[0].attempts] == [1, 2]
    assert run.stages[0].attempts[1].started_at >= due


def test_processes_are_killed_when_they_were_started_by_an_attempt(make_house: MakeHouse) -> None:
    house = make_house()
    run_id = left_running(house)
    folder = house.settings.runs_dir / run_id / "attempts"
    folder.mkdir(parents=True)
    mark = {ATTEMPT_ENV: f"{run_id}/set_seed/1"}
    with sleeper() as stage, sleeper(**mark) as escaped, sleeper() as stranger, sleeper() as other:
        (folder / "set_seed-1.out.pid").write_text(json.dumps(identity(stage.pid)))
        # The same pid, but noted before that process started: the pid was given out again.
        (folder / "set_seed-2.out.pid").write_text(json.dumps({**identity(stranger.pid), "started_ticks": 1}))
        house.reconcile()
        assert stage.wait(10) == -9
        assert escaped.wait(10) == -9
        assert (stranger.poll(), other.poll()) == (None, None)


def test_nothing_of_a_stage_is_alive_when_the_panel_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.app.panel.runs.panel_harness import House, bad;"
        "House(Path(sys.argv[1]), bad('hangs')).play()"
    )
    panel = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    runs = tmp_path / "state" / "runs"
    try:
        asyncio.run(House.until(lambda: [path for path in runs.glob("*/pids") if path.read_text()]))
        [path] = runs.glob("*/pids")
        stage, its_child = (int(pid) for pid in path.read_text().split())
    finally:
        panel.kill()
        panel.wait()
    asyncio.run(House.until(lambda: not is_alive(stage) and not is_alive(its_child), 5))
    house = House(tmp_path)
    house.reconcile()
    assert [row.state for row in house.queries.page().rows] == [RunState.QUEUED, RunState.INTERRUPTED]
    house.close()
