"""Retention of old runs."""

import shutil
from pathlib import Path

import pytest

from app.panel.runs.domain.retention import prune
from pipeline.core.problems import ProblemError
from tests.app.panel.runs.conftest import MakeHarness

pytestmark = pytest.mark.process


def left(folder: Path) -> dict[str, list[str]]:
    return {run.name: sorted(path.name for path in run.iterdir()) for run in sorted(folder.iterdir())}


def test_models_and_delivered_records_go_when_runs_are_old(tmp_path: Path) -> None:
    for run, names in {
        "1-waits": ("bundle", "record"),
        "2-done": ("bundle", "bundle-7", "record"),
        "3-failed": (),
        "4-kept": ("bundle", "record"),
        "5-kept": ("bundle", "record"),
    }.items():
        for name in names:
            (tmp_path / run / name).mkdir(parents=True)
        (tmp_path / run).mkdir(exist_ok=True)
        (tmp_path / run / "log.jsonl").touch()
    prune(tmp_path, lambda run: run != "1-waits", keep=2)
    assert left(tmp_path) == {
        "1-waits": ["log.jsonl", "record"],
        "2-done": ["log.jsonl"],
        "3-failed": ["log.jsonl"],
        "4-kept": ["bundle", "log.jsonl", "record"],
        "5-kept": ["bundle", "log.jsonl", "record"],
    }
    prune(tmp_path, lambda _run: True, keep=2)  # MLflow has come back
    assert left(tmp_path)["1-waits"] == ["log.jsonl"]


def test_deploy_is_not_done_again_when_the_model_is_gone(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run = harness.run_to_end()
    runs_dir = harness.settings.runs_dir
    assert harness.run_to_end(from_stage="deploy").row.deployed
    shutil.rmtree(runs_dir / run.row.id / "bundle")
    for again in (run.row.id, harness.newest().row.id):  # the newer one had taken it over
        with pytest.raises(ProblemError) as caught:
            harness.runs.rerun(again, from_stage="deploy")
        assert caught.value.id == "RUN-04"
    with pytest.raises(ProblemError, match="RUN-04"):
        harness.runs.start(from_stage="deploy")
