"""The output of an attempt becomes lines and facts."""

import json
from pathlib import Path

from app.panel.clock import SystemClock
from app.panel.logs.store import LogStore
from app.panel.runs.domain.queries import Progress
from app.panel.runs.stage_process.output import StageOutput


def output(folder: Path, **more: int) -> tuple[StageOutput, LogStore, Path]:
    logs, path = LogStore(folder / "runs"), folder / "stage.out"
    stage_output = StageOutput(path, run_id="r", stage="s", attempt=1, logs=logs, clock=SystemClock(), **more)
    return stage_output, logs, path


def test_events_become_lines_and_facts_when_they_are_valid(tmp_path: Path) -> None:
    out, logs, path = output(tmp_path)
    events = [
        {"event": "log", "level": "warning", "text": "careful"},
        {"event": "progress", "done": 3, "total": 4, "label": "trees"},
        {"event": "error", "id": "DATA-01", "what": "No table.", "why": "", "fix": "Put one there."},
        {"event": "attempt", "compute_s": 1.5},
        {"event": "nonsense"},
        {"event": "log"},
    ]
    path.write_text("plain\n" + "\n".join(json.dumps(event) for event in events) + "\n")
    assert out.poll()
    assert out.report.progress == Progress(3.0, 4.0, "trees")
    assert out.report.compute_s == 1.5
    assert out.report.error is not None
    assert [(line.level, line.text) for line in logs.read("r")] == [
        ("info", "plain"),
        ("warning", "careful"),
        ("error", "DATA-01: No table. Put one there."),
        ("info", '{"event": "nonsense"}'),
        ("info", '{"event": "log"}'),
    ]
    out.finish()
    assert not path.exists()


def test_log_is_capped_with_a_marker_when_a_stage_says_too_much(tmp_path: Path) -> None:
    out, logs, path = output(tmp_path, max_bytes=1000)
    with path.open("a") as file:
        file.write(("y" * 99 + "\n") * 50 + json.dumps({"event": "error", "id": "X-01", "what": "bad"}) + "\n")
    out.finish()
    lines = logs.read("r")
    assert len(lines) == 11
    assert (lines[-1].level, "the rest is omitted" in lines[-1].text) == ("warning", True)
    assert out.report.error is not None  # events count all the same


def test_file_is_emptied_when_a_stage_goes_on_flooding(tmp_path: Path) -> None:
    out, _, path = output(tmp_path, max_bytes=1000)
    with path.open("ab", buffering=0) as file:
        for _ in range(20):
            file.write(b"z" * 99 + b"\n" + b"z" * (2**20 - 101) + b"\n")
            while out.poll():
                pass
        assert path.stat().st_size <= 10 * 2**20
        file.write(b'{"event": "attempt", "compute_s": 2}\n')
        out.finish()
    assert out.report.compute_s == 2.0
