"""Removes what a killed panel, and the stages and deliveries that died with it, had in progress. For the start.

Data and models may be shared with another panel: what somebody holds (`pipeline.core.temporary`) stays.
"""

from pathlib import Path
from typing import Final

from app.panel.settings import Settings
from pipeline.core.temporary import WRITTEN_ASIDE, remove_left, remove_left_folders

UPLOAD_PREFIX: Final = ".upload-"
PREVIEW_PREFIX: Final = ".preview-"
IN_PROCESSED: Final = (".new-*", ".old-*", ".unpacked-*", f"{PREVIEW_PREFIX}*")


def clean_up(settings: Settings) -> None:
    """Remove unfinished uploads, tables, prepared sets, bundles and files of state, and unused temporary folders."""
    remove_left(settings.data_dir / "raw", WRITTEN_ASIDE, f"{UPLOAD_PREFIX}*")
    clean_processed(settings.data_dir)
    remove_left(settings.models_dir, WRITTEN_ASIDE)
    # Runs are cleaned as they end; there may be thousands.
    for folder in (settings.state_dir, *_folders(settings.state_dir)):
        remove_left(folder, WRITTEN_ASIDE)
    remove_left_folders()


def clean_processed(data_dir: Path) -> None:
    """Remove prepared sets, and tables that were unpacked, of which the process has ended."""
    remove_left(data_dir / "processed", *IN_PROCESSED)


def clean_run(run_dir: Path) -> None:
    """Remove what a stage of the run was writing when it was killed."""
    remove_left(run_dir, WRITTEN_ASIDE, f"**/{WRITTEN_ASIDE}")


def _folders(state_dir: Path) -> list[Path]:
    return [path for path in state_dir.iterdir() if path.is_dir() and path.name != "runs"]
