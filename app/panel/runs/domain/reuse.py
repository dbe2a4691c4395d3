"""Reuses the results of earlier runs, so that finished work is never done again."""

import shutil
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from app.panel.runs.domain.problems import MissingResultError
from app.panel.runs.domain.run_columns import run_columns
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.store import RunStore
from app.panel.runs.domain.tables import Run
from pipeline.core.stage import EVALUATION_FILE, STAGES, StageName, TrainResult, read_result, result_path

# What a stage leaves beside its result for the pages of a run.
EXTRA_FILES: Final[dict[StageName, tuple[str, ...]]] = {"train_model": (EVALUATION_FILE,)}


def earlier_stages(from_stage: StageName) -> tuple[StageName, ...]:
    """Return the stages whose results a run from `from_stage` needs."""
    return STAGES[: STAGES.index(from_stage)]


def has_results(runs_dir: Path, run_id: str, from_stage: StageName) -> bool:
    """Return True if run `run_id` has all results that a run from `from_stage` needs, and the model that deploy needs."""
    is_whole = all(result_path(runs_dir / run_id, stage).is_file() for stage in earlier_stages(from_stage))
    return is_whole and (from_stage != "deploy" or _has_model(runs_dir / run_id))


def first_missing(runs_dir: Path, run_id: str) -> StageName:
    """Return the first stage of run `run_id` without a result or whose model is gone; deploy leaves no result."""
    missing = next(stage for stage in STAGES if not result_path(runs_dir / run_id, stage).is_file())
    return "train_model" if missing == "deploy" and not _has_model(runs_dir / run_id) else missing


def _has_model(run_dir: Path) -> bool:
    """Return True if the model still exists that the run, or the run whose results it reused, has trained."""
    try:
        return read_result(run_dir, "train_model", TrainResult).bundle_dir.is_dir()
    except ValidationError:  # written by another version of the program
        return False


def find_parent(store: RunStore, runs_dir: Path, from_stage: StageName) -> Run:
    """Return the newest run whose results a run from `from_stage` can reuse. Raises MissingResultError."""
    before: int | None = None
    for _ in range(50):  # older ones have been superseded too often to be meant
        run = store.find_latest(*(set(RunState) - {RunState.SKIPPED}), before=before)
        if run is None:
            break
        if has_results(runs_dir, run.id, from_stage):
            return run
        before = run.number
    raise MissingResultError(from_stage)


def copy_results(runs_dir: Path, run_id: str, parent_id: str, from_stage: StageName) -> dict[str, object]:
    """Copy the results of the stages before `from_stage` from the parent's folder; return the columns that follow.

    Raises FileNotFoundError if the parent has lost them.
    """
    source, target = runs_dir / parent_id, runs_dir / run_id
    target.mkdir(parents=True, exist_ok=True)
    columns: dict[str, object] = {}
    for stage in earlier_stages(from_stage):
        for name in EXTRA_FILES.get(stage, ()):
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
        shutil.copyfile(result_path(source, stage), result_path(target, stage))
        columns |= run_columns(target, stage)
    return columns
