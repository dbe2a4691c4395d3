"""The file that a run leaves in its folder: what the database knows of it, so that the folder alone can bring it back."""

import logging
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.panel.runs.domain.problems import RunNotFoundError
from app.panel.runs.domain.state import ACTIVE
from app.panel.runs.domain.store import RunSnapshot, RunStore
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.atomic_files import write_atomic

log = logging.getLogger(__name__)
RUN_FILE: Final = "run.json"


class RunFile(BaseModel):
    """The rows of a run and of its attempts. Members that a later version adds are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    run: dict[str, Any]
    attempts: list[dict[str, Any]] = []


def write_run_file(runs_dir: Path, snapshot: RunSnapshot) -> None:
    """Write what is known of a run into its folder. A disk that refuses costs the file only: the database has it all."""
    content = RunFile(
        run=snapshot.run.model_dump(mode="json"),
        attempts=[attempt.model_dump(mode="json") for attempt in snapshot.attempts],
    )
    folder = runs_dir / snapshot.run.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / RUN_FILE, content.model_dump_json(indent=1).encode())
    except OSError as error:
        log.warning("action=write_run_file run_id=%s error=%s", snapshot.run.id, error)


def write_missing_run_files(store: RunStore, runs_dir: Path) -> None:
    """Write the file of each run that has ended and has a folder without one: an earlier version has left it."""
    for folder in runs_dir.iterdir():
        if not (folder / RUN_FILE).exists():
            try:
                snapshot = store.snapshot(folder.name)
            except RunNotFoundError:
                continue
            if snapshot.run.state not in ACTIVE:
                write_run_file(runs_dir, snapshot)


def read_run_file(folder: Path) -> RunSnapshot | None:
    """Return the run that the file in `folder` describes; None if there is none, or not one of this folder."""
    try:
        content = RunFile.model_validate_json((folder / RUN_FILE).read_bytes())
        run = Run.model_validate(content.run)
        attempts = tuple(StageAttempt.model_validate(attempt) for attempt in content.attempts)
    except (OSError, ValidationError):
        return None
    is_of_this_folder = run.id == folder.name and all(attempt.run_id == run.id for attempt in attempts)
    return RunSnapshot(run, attempts) if is_of_this_folder else None
