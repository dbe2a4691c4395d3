"""Taking over what an earlier run has already done, so that finished work is never done again."""

import shutil
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from app.panel.runs.domain.run_columns import run_columns
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.store import RunStore
from app.panel.runs.domain.tables import Run
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES, StageName, TrainResult, read_result, result_path

# What a stage leaves beside its result and the pages of a run read.
EXTRA_FILES: Final[dict[StageName, tuple[str, ...]]] = {"train_model": ("evaluation.json",)}


def earlier_stages(from_stage: StageName) -> tuple[StageName, ...]:
    """The stages whose results a run from `from_stage` needs."""
    return STAGES[: STAGES.index(from_stage)]


def has_results(runs_dir: Path, run_id: str, from_stage: StageName) -> bool:
    """Whether run `run_id` has all results that a run from `from_stage` needs, and the model that deploy needs."""
    is_whole = all(result_path(runs_dir / run_id, stage).is_file() for stage in earlier_stages(from_stage))
    return is_whole and (from_stage != "deploy" or _has_model(runs_dir / run_id))


def first_missing(runs_dir: Path, run_id: str) -> StageName:
    """The first stage of which run `run_id` has left no result, or its model no more; deploy leaves none."""
    missing = next(stage for stage in STAGES if not result_path(runs_dir / run_id, stage).is_file())
    return "train_model" if missing == "deploy" and not _has_model(runs_dir / run_id) else missing


def _has_model(run_dir: Path) -> bool:
    """Whether the model is still there that the run, or the one it took it over from, has trained."""
    try:
        return read_result(run_dir, "train_model", TrainResult).bundle_dir.is_dir()
    except ValidationError:  # written by another version of the program
        return False


def find_parent(store: RunStore, runs_dir: Path, from_stage: StageName) -> Run:
    """The newest run whose results a run from `from_stage` can take over. Raises ProblemError RUN-04."""
    before: int | None = None
    for _ in range(50):  # older ones have been superseded so often that nobody means them
        run = store.find_latest(*(set(RunState) - {RunState.SKIPPED}), before=before)
        if run is None:
            break
        if has_results(runs_dir, run.id, from_stage):
            return run
        before = run.number
    raise nothing_to_continue(from_stage)


def nothing_to_continue(from_stage: StageName) -> ProblemError:
    """The problem of a start in the middle with nothing before it."""
    needed = earlier_stages(from_stage)[-1]
    return ProblemError(
        "RUN-04",
        f"A run cannot start from {from_stage}.",
        why=f"There is no result of {needed} that it could take over.",
        fix="Start from the first stage.",
        command="ml-pipeline run",
        status=409,
    )


def copy_results(store: RunStore, runs_dir: Path, run: Run, parent_id: str, from_stage: StageName) -> None:
    """Copy the results of the stages before `from_stage` from the parent's folder, and what follows from them.

    Raises FileNotFoundError if the parent has lost them.
    """
    source, target = runs_dir / parent_id, runs_dir / run.id
    target.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {}
    for stage in earlier_stages(from_stage):
        for name in EXTRA_FILES.get(stage, ()):
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
        shutil.copyfile(result_path(source, stage), result_path(target, stage))
        store.begin_attempt(run.id, stage, AttemptState.REUSED)
        facts |= run_columns(target, stage)
    if facts:
        store.record(run.id, **facts)
