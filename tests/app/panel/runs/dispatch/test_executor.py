"""Runs in real processes: each way in which a stage can end, and that the panel is there for the next run."""

import asyncio
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from multiprocessing import forkserver

import pytest

from app.panel.runs.domain.interfaces import DeployResult, StageLog
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.stage_process.launcher import Launcher
from app.processes.tree import is_running
from bench.empty_deploy import live_at_once
from bench.wait import until, until_async
from pipeline.core.stage import StageContext, TrainResult
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import RUN_S, PanelHarness, with_faulty_stage
from tests.builders.problems import problem

pytestmark = pytest.mark.process


def test_run_succeeds_with_facts_when_all_stages_do(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run = harness.run_to_end()
    assert [stage.state for stage in run.stages] == ["succeeded"] * 4
    assert run.row.state == RunState.SUCCEEDED
    assert run.row.reason == "Version 1 is live."
    assert (run.row.model_version, run.row.deployed, run.row.metrics) == (1, True, {"roc_auc": 0.9})
    assert run.verdict is not None
    assert run.verdict["decision"] == "promote"
    assert run.data_digest == "none"
    assert all(stage.compute_s is not None and stage.duration_s is not None for stage in run.stages)
    texts = harness.texts()
    assert texts[0] == "Run 1 started (manual)."
    assert "deploying" in texts
    assert texts[-1] == "Run 1 succeeded. Version 1 is live."
    assert sum("Version 1 is live." in text for text in texts) == 1
    assert harness.n_manual == 1


def test_stage_is_tried_again_from_that_stage_when_it_fails(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("fails_twice"), retries=3)
    run = harness.run_to_end()
    assert run.row.state == RunState.SUCCEEDED
    assert [attempt.state for attempt in run.stages[0].attempts] == ["failed", "failed", "succeeded"]
    assert [len(stage.attempts) for stage in run.stages[1:]] == [1, 1, 1]
    assert run.row.n_failures == 0


def test_run_fails_when_retries_are_used_up(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("fails_twice"), retries=1)
    run = harness.run_to_end()
    assert run.row.state == RunState.FAILED
    assert len(run.stages[0].attempts) == 2
    assert [stage.state for stage in run.stages[1:]] == ["skipped"] * 3
    assert run.row.n_errors >= 1


def test_run_fails_at_once_when_the_stage_refuses(make_harness: MakeHarness) -> None:
    run = make_harness(with_faulty_stage("refuses"), retries=3).run_to_end()
    assert len(run.stages[0].attempts) == 1
    assert run.error is not None
    assert run.error["id"] == "DATA-01"
    assert run.row.reason == "There is no table."


@pytest.mark.parametrize(
    ("stage", "id", "words"),
    [
        ("segfaults", "RUN-10", "stopped by signal 11 (SIGSEGV)"),
        ("is_killed", "RUN-11", "out of memory"),
        ("exits", "RUN-13", "exit code 7"),
        ("fills_disk", "DISK-03", "the disk of "),
    ],
)
def test_failure_is_named_when_the_process_crashes(make_harness: MakeHarness, stage: str, id: str, words: str) -> None:
    harness = make_harness(with_faulty_stage(stage))
    run = harness.run_to_end()
    assert run.error is not None
    assert run.error["id"] == id
    assert words in run.error["what"]
    assert any(words in text for text in harness.texts())


@pytest.mark.parametrize("stage", ["eats_memory", "aborts_without_memory"])
def test_limit_and_setting_are_named_when_a_stage_runs_out_of_memory(make_harness: MakeHarness, stage: str) -> None:
    run = make_harness(with_faulty_stage(stage), retries=3, stage_memory_bytes=2**29).run_to_end()
    assert run.error is not None
    assert run.error["id"] == "TRAIN-90"
    assert "0.5 GB that a stage may use" in run.error["why"]
    assert "STAGE_MEMORY_BYTES" in run.error["fix"]
    assert len(run.stages[0].attempts) == 1


def test_memory_files_and_processes_are_limited_when_a_stage_runs(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("shows_limits"), stage_memory_bytes=2**30)
    harness.run_to_end()
    limits = {"RLIMIT_DATA 1073741824", "RLIMIT_NOFILE 1024", "RLIMIT_CORE 0", "RLIMIT_NPROC True", "NoNewPrivs:\t1"}
    assert limits <= {*harness.texts()}


def test_group_is_killed_when_a_stage_times_out_and_ignores_term(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.runs.stage_process.launcher.TERM_GRACE_S", 0.2)
    harness = make_harness(with_faulty_stage("hangs"), timeout_s=1.0)
    run = harness.run_to_end()
    assert run.error is not None
    assert run.error["id"] == "RUN-12"
    assert "timed out after 1 s" in run.error["what"]
    pids = (harness.settings.runs_dir / run.row.id / "pids").read_text().split()
    assert [pid for pid in pids if is_running(int(pid))] == []


def test_cancel_is_effective_and_final_when_a_stage_hangs(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("hangs"))
    took: list[float] = []

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "hanging" in harness.texts(), within_s=RUN_S, what="the log says hanging")
        started = time.monotonic()
        run_id = harness.newest().row.id
        assert await asyncio.to_thread(harness.runs.cancel, run_id, requested_by="ann") == RunState.CANCELLING
        await until_async(
            lambda: harness.store.get(run_id).state == RunState.CANCELLED, within_s=RUN_S, what="the run is cancelled"
        )
        took.append(time.monotonic() - started)

    run = harness.run_to_end(script)
    assert run.row.state == RunState.CANCELLED
    assert run.row.reason == "Cancelled by ann."
    assert run.stages[0].state == "cancelled"
    assert took[0] < 10
    assert harness.runs.cancel(run.row.id) == RunState.CANCELLED
    pids = (harness.settings.runs_dir / run.row.id / "pids").read_text().split()
    assert [pid for pid in pids if is_running(int(pid))] == []


def test_nothing_is_begun_when_the_run_was_cancelled_before_it_was_taken_up_again(make_harness: MakeHarness) -> None:
    harness = make_harness()
    started = harness.runs.start()
    harness.store.move(started.id, RunState.QUEUED, RunState.RUNNING, started_at=harness.clock.now())
    harness.runs.cancel(started.id, requested_by="ann")
    run = harness.run_to_end()
    assert (run.row.state, run.row.reason) == (RunState.CANCELLED, "Cancelled by ann.")
    assert [stage.attempts for stage in run.stages] == [()] * 4


def test_run_ends_and_orphan_dies_when_a_stage_double_forks(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("double_forks"))
    run = harness.run_to_end()
    assert run.row.state == RunState.SUCCEEDED
    orphan = int((harness.settings.runs_dir / run.row.id / "pids").read_text())
    until(lambda: not is_running(orphan), within_s=5, what="the orphan ends")


def test_attempt_ends_when_a_thread_is_left_behind(make_harness: MakeHarness) -> None:
    assert make_harness(with_faulty_stage("leaves_thread")).run_to_end().row.state == RunState.SUCCEEDED


def test_log_stays_readable_when_a_stage_floods_it(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("floods"))
    assert harness.run_to_end().row.state == RunState.SUCCEEDED
    texts = harness.texts()
    assert sum(len(text) for text in texts if text.startswith("x")) == 2**20
    assert max(len(text.encode()) for text in texts) <= 16 * 1024
    assert "\ufffd\ufffd broken \x00 text" in texts
    assert "100%" in texts
    assert "99%" not in texts
    assert "from stderr, without an end" in texts


def test_run_is_interrupted_and_process_gone_when_the_panel_stops(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("hangs"))

    async def main() -> None:
        await harness.executor.start()
        await asyncio.to_thread(harness.runs.start)
        await until_async(lambda: "hanging" in harness.texts(), within_s=RUN_S, what="the log says hanging")
        await harness.executor.stop()

    asyncio.run(main())
    run = harness.newest()
    assert (run.row.state, run.stages[0].state) == (RunState.INTERRUPTED, "interrupted")
    pids = (harness.settings.runs_dir / run.row.id / "pids").read_text().split()
    assert [pid for pid in pids if is_running(int(pid))] == []


def test_run_keeps_its_place_when_the_panel_stops_while_the_executor_looks_for_it(make_harness: MakeHarness) -> None:
    harness = make_harness()
    started = harness.runs.start()

    async def main() -> None:
        await harness.executor.start()
        await asyncio.sleep(0)  # the executor has begun to look, in a thread
        await harness.executor.stop()

    asyncio.run(main())
    assert harness.store.get(started.id).state == RunState.QUEUED


def test_scheduled_run_says_no_change_when_nothing_changed(make_harness: MakeHarness) -> None:
    harness = make_harness()
    raw = harness.settings.data_dir / "raw" / "data.csv"
    raw.write_text("a")
    harness.run_to_end()
    unchanged = harness.run_to_end(trigger=Trigger.SCHEDULE)
    assert unchanged.row.state == RunState.SUCCEEDED
    assert unchanged.row.verdict == "no change"
    assert unchanged.row.reason.endswith("those of run 1; nothing to train.")
    assert [stage.state for stage in unchanged.stages] == ["succeeded", "skipped", "skipped", "skipped"]
    assert harness.run_to_end(trigger=Trigger.SCHEDULE, force=True).row.verdict == "promote"
    assert harness.run_to_end().row.verdict == "promote"
    raw.write_text("b")
    assert harness.run_to_end(trigger=Trigger.SCHEDULE).row.verdict == "promote"


def test_model_is_trained_again_once_when_it_was_damaged_although_nothing_has_changed(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness()
    harness.run_to_end()
    harness.damaged_at = harness.clock.now()
    assert [stage.state for stage in harness.run_to_end(trigger=Trigger.SCHEDULE).stages] == ["succeeded"] * 4
    assert harness.run_to_end(trigger=Trigger.SCHEDULE).row.verdict == "no change"


def test_rerun_takes_over_finished_stages_when_deploy_failed(make_harness: MakeHarness) -> None:
    def fails(_c: StageContext, _r: TrainResult, _l: StageLog, _s: threading.Event) -> DeployResult:
        raise problem("SVC-01", "The API is away.")

    harness = make_harness(deploy=fails)
    failed = harness.run_to_end()
    assert failed.error is not None
    assert failed.error["what"] == "The API is away."
    harness.deploy = live_at_once
    started = harness.runs.rerun(failed.row.id)
    run = harness.run_to_end()
    assert run.row.id == started.id
    assert [stage.state for stage in run.stages] == ["reused", "reused", "reused", "succeeded"]
    assert (run.row.metrics, run.data_digest) == ({"roc_auc": 0.9}, "none")
    assert (run.parent_number, run.row.trigger) == (1, Trigger.RERUN)
    assert (harness.settings.runs_dir / run.row.id / "evaluation.json").exists()


def test_deploy_failure_is_named_when_it_is_a_fault_of_the_program(make_harness: MakeHarness) -> None:
    def breaks(_c: StageContext, _r: TrainResult, _l: StageLog, _s: threading.Event) -> DeployResult:
        raise ZeroDivisionError("by zero")

    run = make_harness(deploy=breaks).run_to_end()
    assert run.error is not None
    assert run.error["id"] == "RUN-15"
    assert "ZeroDivisionError: by zero" in run.error["what"]


def test_cancel_stops_deploy_when_it_listens(make_harness: MakeHarness) -> None:
    def waits(_c: StageContext, _r: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        log.log("deploy waits")
        assert stop.wait(60)
        raise problem("DEPLOY-01", "Stopped.")

    harness = make_harness(deploy=waits)

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "deploy waits" in harness.texts(), within_s=RUN_S, what="the log says deploy waits")
        await asyncio.to_thread(harness.runs.cancel, "1")

    run = harness.run_to_end(script)
    assert (run.row.state, run.stages[3].state) == (RunState.CANCELLED, "cancelled")


def test_next_attempt_starts_when_the_forkserver_was_killed(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.run_to_end()
    os.kill(forkserver_pid(), signal.SIGKILL)
    assert harness.run_to_end().row.state == RunState.SUCCEEDED


def forkserver_pid() -> int:
    pid = vars(forkserver)["_forkserver"]._forkserver_pid
    assert isinstance(pid, int)
    return pid


def stop_forkserver(harness: PanelHarness) -> int:
    """Start the forkserver if there is none, stop it, and return its pid."""
    harness.launcher.start()
    pid = forkserver_pid()
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_run_succeeds_when_the_forkserver_does_not_respond(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.runs.dispatch.process_stage.START_TIMEOUT_S", 5.0)
    harness = make_harness()
    pid = stop_forkserver(harness)
    assert harness.run_to_end().row.state == RunState.SUCCEEDED
    until(lambda: not is_running(pid), what="the old forkserver is gone")


def test_attempt_is_named_when_no_forkserver_responds(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.runs.dispatch.process_stage.START_TIMEOUT_S", 0.2)
    harness = make_harness()
    start = harness.launcher.start

    def start_stopped() -> None:
        start()
        os.kill(forkserver_pid(), signal.SIGSTOP)

    monkeypatch.setattr(harness.launcher, "start", start_stopped)
    run = harness.run_to_end()
    harness.launcher.stop()
    assert run.error is not None
    assert (run.row.state, run.error["id"]) == (RunState.FAILED, "RUN-18")


def test_run_is_cancelled_when_the_forkserver_does_not_respond(make_harness: MakeHarness) -> None:
    harness = make_harness()
    stop_forkserver(harness)

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: harness.newest().stages[0].attempts, within_s=RUN_S, what="an attempt begins")
        await asyncio.to_thread(harness.runs.cancel, harness.newest().row.id)

    run = harness.run_to_end(script)
    assert (run.row.state, run.stages[0].state) == (RunState.CANCELLED, "cancelled")


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_stage_is_ended_when_the_forkserver_was_stopped_after_it_began(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("app.panel.runs.stage_process.launcher.TERM_GRACE_S", 0.2)
    monkeypatch.setattr("app.panel.runs.dispatch.process_stage.REPORT_TIMEOUT_S", 0.2)
    harness = make_harness(with_faulty_stage("hangs"), timeout_s=3.0 if ending == "timeout" else 60.0)

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "hanging" in harness.texts(), within_s=RUN_S, what="the log says hanging")
        os.kill(forkserver_pid(), signal.SIGSTOP)
        if ending == "cancel":
            await asyncio.to_thread(harness.runs.cancel, harness.newest().row.id)

    run = harness.run_to_end(script)
    if ending == "cancel":
        assert run.row.state == RunState.CANCELLED
    else:
        assert run.error is not None
        assert run.error["id"] == "RUN-12"
    pids = (harness.settings.runs_dir / run.row.id / "pids").read_text().split()
    until(lambda: not any(is_running(int(pid)) for pid in pids), within_s=5, what="the processes of the stage end")


def test_result_is_kept_when_the_forkserver_was_stopped_before_the_stage_finished(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.runs.dispatch.process_stage.REPORT_TIMEOUT_S", 0.2)
    harness = make_harness(with_faulty_stage("waits"))

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "waiting" in harness.texts(), within_s=RUN_S, what="the log says waiting")
        os.kill(forkserver_pid(), signal.SIGSTOP)
        (harness.settings.data_dir / "go").touch()

    run = harness.run_to_end(script)
    assert (run.row.state, len(run.stages[0].attempts)) == (RunState.SUCCEEDED, 1)


def test_run_fails_with_a_reason_when_no_process_can_be_started(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    harness = make_harness(retries=1)
    monkeypatch.setattr(Launcher, "spawn", refuse)
    run = harness.run_to_end()
    assert len(run.stages[0].attempts) == 2
    assert run.error is not None
    assert run.error["id"] == "RUN-14"


def test_run_ends_and_the_next_is_possible_when_the_panel_itself_fails(make_harness: MakeHarness) -> None:
    harness = make_harness()
    broken = harness.store.highest_version
    harness.store.highest_version = lambda: 1 // 0  # type: ignore[method-assign]
    run = harness.run_to_end()
    assert run.error is not None
    assert run.error["id"] == "RUN-16"
    assert run.row.state == RunState.FAILED
    assert run.stages[0].state == "interrupted"
    harness.store.highest_version = broken  # type: ignore[method-assign]
    assert harness.run_to_end().row.state == RunState.SUCCEEDED


def test_stage_is_ended_when_the_panel_cannot_follow_it(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.runs.stage_process.launcher.TERM_GRACE_S", 0.2)
    harness = make_harness(with_faulty_stage("hangs"))

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "hanging" in harness.texts(), within_s=RUN_S, what="the log says hanging")
        [output] = harness.settings.runs_dir.glob("*/attempts/set_seed-1.out")
        output.unlink()
        (output / "large").mkdir(parents=True)

    run = harness.run_to_end(script)
    assert run.error is not None
    assert (run.row.state, run.error["id"]) == (RunState.FAILED, "RUN-16")
    pids = (harness.settings.runs_dir / run.row.id / "pids").read_text().split()
    until(lambda: not any(is_running(int(pid)) for pid in pids), within_s=5, what="the processes of the stage end")


def test_no_result_is_lost_when_the_database_could_not_be_written_for_a_while(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.panel.db.patience.RETRY_S", 0.02)
    harness = make_harness(with_faulty_stage("waits"))

    def refuse(on: bool) -> None:
        harness.db.writer.raw_connection().cursor().execute(f"PRAGMA query_only={int(on)}")

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "waiting" in harness.texts(), within_s=RUN_S, what="the log says waiting")
        refuse(True)  # every write fails, as on a full disk
        (harness.settings.data_dir / "go").touch()
        await until_async(
            lambda: caplog.text.count("problem=DB-05") > 2, within_s=RUN_S, what="three failures are logged"
        )
        row = harness.newest().row
        assert row.state == RunState.RUNNING
        refuse(False)

    run = harness.run_to_end(script)
    assert run.row.state == RunState.SUCCEEDED
    assert [[attempt.state for attempt in stage.attempts] for stage in run.stages] == [["succeeded"]] * 4
    assert "Traceback" not in caplog.text  # it may be said for hours


def test_run_continues_when_another_program_held_the_database_between_its_stages(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.panel.db.patience.RETRY_S", 0.02)
    harness = make_harness(with_faulty_stage("waits"))
    harness.db.writer.raw_connection().cursor().execute("PRAGMA busy_timeout=10")

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: "waiting" in harness.texts(), within_s=RUN_S, what="the log says waiting")
        with closing(sqlite3.connect(harness.settings.database)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (harness.settings.data_dir / "go").touch()
            await until_async(
                lambda: caplog.text.count("problem=DB-04") > 2, within_s=RUN_S, what="three failures are logged"
            )

    run = harness.run_to_end(script)
    assert (run.row.state, run.stages[0].state, len(run.stages[0].attempts)) == (RunState.SUCCEEDED, "succeeded", 1)


def test_run_is_interrupted_and_continued_when_the_panel_stops_while_the_database_is_away(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.panel.db.patience.RETRY_S", 0.02)
    harness = make_harness(with_faulty_stage("waits"))

    async def main() -> None:
        await harness.executor.start()
        await asyncio.to_thread(harness.runs.start)
        await until_async(lambda: "waiting" in harness.texts(), within_s=RUN_S, what="the log says waiting")
        harness.db.writer.raw_connection().cursor().execute("PRAGMA query_only=1")
        (harness.settings.data_dir / "go").touch()
        await until_async(lambda: "problem=DB-05" in caplog.text, within_s=RUN_S, what="a failure is logged")
        await harness.executor.stop()

    asyncio.run(main())
    assert harness.newest().row.state == RunState.RUNNING
    harness.close()
    harness.open()
    harness.recover()
    [continued, interrupted] = harness.queries.page().rows
    assert (interrupted.state, continued.trigger) == (RunState.INTERRUPTED, Trigger.RECOVERY)
    assert continued.from_stage == "process_data"  # what the first stage has left is used
