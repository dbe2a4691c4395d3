"""Keeps a bounded number of bundles on disk and deletes the others."""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app.panel.registry.store import DeploymentStore
from pipeline.core.bundle import VERSIONS_DIR
from pipeline.core.temporary import remove_left

KEEP: Final = 20
IN_PROGRESS: Final = (".new-*", ".old-*")  # half written, half deleted


def surplus(versions: Iterable[int], needed: Iterable[int], keep: int = KEEP) -> list[int]:
    """Return the versions to delete: all but the newest `keep` and those that are needed (live, previous). Pure."""
    newest_first = sorted(set(versions), reverse=True)
    return sorted(set(newest_first[keep:]) - set(needed))


def prune(models_dir: Path, bundles: dict[int, str], store: DeploymentStore) -> None:
    """Delete the bundles of these versions. Renamed first, so that no reader ever sees half a bundle, even after a kill."""
    for version, bundle in bundles.items():
        folder = models_dir / VERSIONS_DIR / bundle
        aside = folder.with_name(f".old-{bundle}")
        store.mark_pruned(version)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def sweep(models_dir: Path) -> None:
    """Delete what a killed panel left half written or half deleted."""
    remove_left(models_dir / VERSIONS_DIR, *IN_PROGRESS)
