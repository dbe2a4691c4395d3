"""Prunes old runs: log, results and plots stay for good, the model and its record for a while."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.core.stage import BUNDLE_DIR, RECORD_DIR

KEEP_MODELS: Final = 50  # runs that can be deployed again without training; published versions are kept elsewhere


def prune(runs_dir: Path, is_delivered: Callable[[str], bool], keep: int = KEEP_MODELS) -> None:
    """Delete the models of all but the newest `keep` runs that left one, and their records once MLflow has them.

    Not while a run is under way: it may deploy the model of an old one.
    """
    n_models = 0
    for folder in sorted(runs_dir.iterdir(), reverse=True):  # ids begin with the time
        record = folder / RECORD_DIR
        models = list(folder.glob(f"{BUNDLE_DIR}*"))
        n_models += bool(models or record.exists())
        if n_models <= keep:
            continue
        for model in models:
            shutil.rmtree(model, ignore_errors=True)
        if record.exists() and is_delivered(folder.name):
            shutil.rmtree(record, ignore_errors=True)
