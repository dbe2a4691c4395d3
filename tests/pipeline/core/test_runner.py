"""A stage's process ends with the right code, the right last event and a whole result or none."""

import errno
import io
import json
import os
import random
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel

from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.runner import execute
from pipeline.core.stage import StageContext, StageFunction, StageName, result_path
from pipeline.ingest.problems import NoTableError


class Drawn(BaseModel):
    drawn: float


def _context(folder: Path, stage: StageName = "set_seed") -> StageContext:
    return StageContext(
        run_id="r1",
        stage=stage,
        attempt=1,
        params=Params(seed=7),
        data_dir=folder / "data",
        models_dir=folder / "models",
        run_dir=folder / "run",
        version=1,
    )


def _execute(folder: Path, function: StageFunction) -> tuple[int, list[dict[str, object]]]:
    stream = io.StringIO()
    code = execute(_context(folder), Events(stream), lambda _stage: function)
    return code, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_result_is_on_disk_when_stage_succeeds(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        events.log("working")
        return Drawn(drawn=random.random())

    code, events = _execute(tmp_path, run)
    again, _ = _execute(tmp_path, run)
    assert (code, again) == (0, 0)
    assert [event["event"] for event in events] == ["log"]
    stored = json.loads(result_path(tmp_path / "run", "set_seed").read_text("utf-8"))
    assert stored == {"drawn": random.Random(7).random()}


def test_problem_is_last_event_and_no_result_is_left_when_stage_refuses(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        raise NoTableError("There is no table.", fix="Put one there.")

    code, events = _execute(tmp_path, run)
    assert code == 3
    assert events[-1]["event"] == "error"
    assert (events[-1]["id"], events[-1]["fix"]) == ("DATA-01", "Put one there.")
    assert not result_path(tmp_path / "run", "set_seed").exists()


def test_a_log_line_can_be_written_anywhere_when_a_file_name_is_no_text(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        events.log(os.fsdecode(b"caf\xe9.csv"))
        return Drawn(drawn=0.0)

    code, events = _execute(tmp_path, run)
    assert (code, events[0]["text"]) == (0, "caf?.csv")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 9 failed"),
        pd.errors.ParserError("Error tokenizing data. C error: out of memory"),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        RuntimeError("can't start new thread"),
    ],
)
def test_problem_is_train_90_when_a_library_gets_no_memory(tmp_path: Path, error: Exception) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        raise error

    code, events = _execute(tmp_path, run)
    assert (code, events[-1]["id"], events[-1]["retryable"]) == (3, "TRAIN-90", False)


def test_crash_is_train_99_with_traceback_as_debug_lines_when_stage_is_broken(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        raise ZeroDivisionError("one\ntwo")

    code, events = _execute(tmp_path, run)
    assert (code, events[-1]["id"]) == (1, "TRAIN-99")
    assert events[-1]["what"] == "Stage “Set seed” failed: ZeroDivisionError: one two"
    debug = [str(event["text"]) for event in events if event.get("level") == "debug"]
    assert debug[0].startswith("Traceback")
    assert all("\n" not in text for text in debug)


def test_interrupt_passes_through_when_stage_is_stopped(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _execute(tmp_path, run)


def test_full_disk_is_named_when_a_stage_cannot_write(tmp_path: Path) -> None:
    def run(ctx: StageContext, events: Events) -> BaseModel:
        Path("/dev/full").write_bytes(b"x")
        raise AssertionError

    code, events = _execute(tmp_path, run)
    assert code == 3
    assert (events[-1]["id"], events[-1]["retryable"]) == ("DISK-03", True)
