"""Makes the database agree with the folders when the panel starts, and says what was restored and what is missing."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlmodel import SQLModel

from app.panel.db.engine import Database
from app.panel.db.restored import Restored
from app.panel.logs.store import LogStore
from app.panel.registry.restore import RestoredModels, restore_models
from app.panel.runs.domain.restore import RestoredRuns, restore_runs
from pipeline.core.sentences import listed, plural, upper_first

log = logging.getLogger(__name__)
MAX_NAMED: Final = 8
FOUND_IN_FOLDERS: Final = "The database did not know everything that lies in the folders of runs and models."
GONE: Final = "The database was gone, and there was no copy of it."
# What each table holds that no folder does, in words; sessions end whenever something was lost.
WORDS: Final = {
    "user": "users",
    "api_token": "API tokens",
    "audit_entry": "the audit",
    "run_event": "the events of runs",
    "schedule": "the schedule",
}
SESSIONS: Final = "login_session"


class Report(BaseModel):
    """What a recovery brought back, and what it could not.

    `backup_at` is the time of the copy of the database that was used, None for none; `moved_to` the name of the damaged
    file. `incomplete` are the tables that only that copy could complete. `runs` and `versions` are numbers of what was read
    back from folders; `missing_runs` those of which nothing is left; `lost_versions` those whose files have vanished.
    `unreadable` and `conflicting` are folders that were left alone.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    backup_at: datetime | None = None
    moved_to: str = ""
    incomplete: tuple[str, ...] = ()
    runs: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    n_deployments: int = 0
    missing_runs: tuple[int, ...] = ()
    lost_versions: tuple[int, ...] = ()
    unreadable: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to tell."""
        return not any(self.model_dump().values())

    @property
    def is_only_left_alone(self) -> bool:
        """Return whether nothing was done: folders that cannot be used are all there is to tell."""
        return not any(self.model_dump(exclude={"unreadable", "conflicting"}).values())

    @property
    def left_alone(self) -> set[str]:
        """Return the folders that nothing was done with."""
        return {*self.unreadable, *self.conflicting}


def restore_history(
    db: Database, logs: LogStore, *, runs_dir: Path, models_dir: Path, now: datetime
) -> tuple[str, Report]:
    """Bring back what the folders know and the database does not; return the cause, in one sentence, and what was done.

    The report is empty where nothing was missing. Sync; before anything else reads the database.
    """
    runs = restore_runs(db, logs, runs_dir, now)
    models = restore_models(db, models_dir, now)
    restored = db.restored
    if db.is_new and not _report(None, runs, models).is_empty:
        restored = Restored(GONE, None, None, tuple(table.name for table in SQLModel.metadata.sorted_tables))
    report = _report(restored, runs, models)
    if restored is None and report.is_empty:
        return "", report
    cause = restored.cause if restored is not None else FOUND_IN_FOLDERS
    log.warning("action=restore_history cause=%r report=%s", cause, report.model_dump_json(exclude_defaults=True))
    return cause, report


def brought_back(report: Report) -> list[str]:
    """Return what was restored and from where, one sentence each."""
    sentences: list[str] = []
    if report.backup_at is not None and report.incomplete:
        sentences.append("What could not be read was taken from the copy of the database of that time.")
    if report.runs:
        sentences.append(f"{_counted(report.runs, 'run')} read back from the folder of runs.")
    if report.versions:
        sentences.append(f"{_counted(report.versions, 'model version')} read back from the folder of models.")
    if report.n_deployments:
        was = "was" if report.n_deployments == 1 else "were"
        sentences.append(f"{plural(report.n_deployments, 'deployment')} {was} read back from the ledger of models.")
    return sentences


def still_missing(report: Report) -> list[str]:
    """Return what is lost or was left alone, one sentence each."""
    sentences: list[str] = []
    if lost := [WORDS[table] for table in report.incomplete if table in WORDS]:
        since = "are lost" if report.backup_at is None else "are as they were at that time"
        sentences.append(f"{upper_first(', '.join(lost))} {since}.")
    if SESSIONS in report.incomplete:
        sentences.append("Everybody has to log in again.")
    if report.missing_runs:
        sentences.append(f"Nothing is left of {_named('run', report.missing_runs)}.")
    if report.lost_versions:
        sentences.append(f"The files of {_named('version', report.lost_versions)} are gone.")
    if report.unreadable:
        sentences.append(f"Left alone, because they cannot be read: {listed(report.unreadable, MAX_NAMED)}.")
    if report.conflicting:
        folders = listed(report.conflicting, MAX_NAMED)
        sentences.append(f"Left alone, because the history has others with the same numbers: {folders}.")
    return sentences


def _report(restored: Restored | None, runs: RestoredRuns, models: RestoredModels) -> Report:
    facts: dict[str, Any] = {}
    if restored is not None:
        moved_to = restored.moved_to.name if restored.moved_to is not None else ""
        facts = {"backup_at": restored.backup_at, "moved_to": moved_to, "incomplete": restored.incomplete}
    return Report(
        **facts,
        runs=runs.numbers,
        missing_runs=runs.missing,
        versions=models.versions,
        n_deployments=models.n_deployments,
        lost_versions=models.lost,
        unreadable=(*runs.unreadable, *models.unreadable),
        conflicting=(*runs.conflicting, *models.conflicting),
    )


def _counted(numbers: Sequence[int], noun: str) -> str:
    """Return `1 run (7) was`, or `203 runs (10 to 212) were`."""
    first, last = min(numbers), max(numbers)
    span = f"{first} to {last}" if last > first else f"{first}"
    return f"{plural(len(numbers), noun)} ({span}) {'were' if last > first else 'was'}"


def _named(noun: str, numbers: Sequence[int]) -> str:
    """Return `run 7`, or `runs 7, 8 and 4 more`."""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {listed([str(number) for number in numbers], MAX_NAMED)}"
