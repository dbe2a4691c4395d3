"""What the log and the results of a run tell of it, as earlier versions left them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.logs.line import LogLine
from app.panel.runs.domain.run_from_log import run_from_log
from app.panel.runs.domain.state import RunState
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import with_faulty_stage

RUN: str = "20260101-000000-abcdef"
AT: str = "2026-01-01T00:00:0{}.000+00:00"


def lines(*texts: tuple[str, int, str]) -> list[LogLine]:
    return [LogLine(i, AT.format(i), stage, attempt, "info", text) for i, (stage, attempt, text) in enumerate(texts, 1)]


def test_what_went_live_is_known_when_the_log_says_so(tmp_path: Path) -> None:
    snapshot = run_from_log(
        tmp_path / RUN,
        lines(
            ("set_seed", 0, "Run 7 started (schedule)."),
            ("set_seed", 1, "Stage “Set seed” succeeded after 0.10 s."),
            ("deploy", 1, "Published version 5 (0.25 MB) as bundle x."),
            ("deploy", 1, "Version 5 is live."),
            ("deploy", 1, "Stage “Deploy” succeeded after 1.50 s."),
            ("deploy", 1, "Run 7 succeeded. Better by 0.1."),
        ),
    )
    assert snapshot is not None
    run = snapshot.run
    assert (run.id, run.number, run.trigger, run.state, run.reason) == (
        RUN,
        7,
        "schedule",
        "succeeded",
        "Better by 0.1.",
    )
    assert (run.model_version, run.deployed, run.duration_s) == (5, True, 5.0)
    assert run.created_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert [(a.stage, a.attempt, a.state, a.duration_s) for a in snapshot.attempts] == [
        ("set_seed", 1, "succeeded", 0.1),
        ("deploy", 1, "succeeded", 1.5),
    ]


def test_run_is_under_way_when_its_log_has_no_end(tmp_path: Path) -> None:
    snapshot = run_from_log(tmp_path / RUN, lines(("set_seed", 0, "Run 7 started (manual).")))
    assert snapshot is not None
    assert snapshot.run.state == RunState.RUNNING


@pytest.mark.parametrize("text", ["", "Run seven started (manual).", "Run 7 started (by magic).", "Run 7 succeeded."])
def test_there_is_no_run_when_the_first_line_does_not_say_which(tmp_path: Path, text: str) -> None:
    assert run_from_log(tmp_path / RUN, lines(("set_seed", 0, text))) is None


def test_nobody_else_ends_a_run_when_a_stage_logs_the_words(tmp_path: Path) -> None:
    snapshot = run_from_log(
        tmp_path / RUN, lines(("set_seed", 0, "Run 7 started (manual)."), ("set_seed", 1, "Run 8 failed. Not mine."))
    )
    assert snapshot is not None
    assert snapshot.run.state == RunState.RUNNING


@pytest.mark.process
@pytest.mark.parametrize("stages", [None, with_faulty_stage("refuses")])
def test_log_tells_the_same_as_the_database_when_a_run_has_ended(
    make_harness: MakeHarness, stages: dict[str, str] | None
) -> None:
    harness = make_harness(stages)
    row = harness.run_to_end().row
    known = harness.store.snapshot(row.id)
    told = run_from_log(harness.settings.runs_dir / row.id, harness.logs.select(row.id))
    assert told is not None
    for column in ("id", "number", "state", "trigger", "from_stage", "stage", "reason", "metrics", "verdict"):
        assert getattr(told.run, column) == getattr(known.run, column), column
    for column in ("data_digest", "params_digest", "code_digest", "n_warnings"):
        assert getattr(told.run, column) == getattr(known.run, column), column
    assert set(told.run.params) == (set() if stages else {"seed", "target", "estimator"})
    told_attempts = [(a.stage, a.attempt, a.state) for a in told.attempts]
    assert told_attempts == sorted([(a.stage, a.attempt, a.state) for a in known.attempts], key=told_attempts.index)
