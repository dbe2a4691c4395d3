"""Loads the live model for the gate: its predictions for the test rows of this run, or why it has none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipeline.core.bundle import bundle_dir, read_manifest, read_model
from pipeline.core.ledger import live_pointer
from pipeline.core.manifest import Manifest
from pipeline.core.params import Task
from pipeline.core.problems import BundleError
from pipeline.core.sentences import listed, lower_first
from pipeline.evaluation.gate import Champion
from pipeline.features.processed_dataset import HELD_OUT_COLUMN, raw_inputs
from pipeline.onnx.session import Graph, RawRows

MAX_LISTED: Final = 3


@dataclass(frozen=True)
class PredictionTask:
    """The task of a model; a champion that predicts something else cannot be compared with the challenger."""

    task: Task
    target: str
    classes: list[str]


def load_champion(
    models_dir: Path,
    *,
    prediction_task: PredictionTask,
    digest: str,
    held_out_from: str,
    read_test_rows: Callable[[], pd.DataFrame],
) -> Champion | None:
    """Return the champion with its predictions for the raw test rows; None if no model is live.

    Where the pointer was lost, the champion is the version that was live last.
    A live model that cannot be read or that needs a missing column comes without predictions, with the obstacle. One with
    the challenger's own `digest` is not scored. `held_out_from` is the digest of the model for which the test rows have
    the column `__held_out__`.
    """
    try:
        pointer = live_pointer(models_dir)
    except BundleError as error:
        return Champion(0, "", None, obstacle=_clause(error))
    if pointer is None:
        return None
    try:
        folder = bundle_dir(models_dir, pointer)
        manifest = read_manifest(folder, pointer.sha256)
        model = read_model(folder, manifest)
    except BundleError as error:
        return Champion(pointer.version, "", None, obstacle=_clause(error))
    if manifest.digest == digest:
        return Champion(manifest.version, manifest.digest, None)
    live = PredictionTask(manifest.task, manifest.target, manifest.classes)
    if live != prediction_task:
        mismatch = _mismatch(prediction_task, live, manifest.version)
        return Champion(manifest.version, manifest.digest, None, mismatch=mismatch)
    return _scored(manifest, model, read_test_rows(), held_out_from)


def _scored(manifest: Manifest, model: bytes, test_rows: pd.DataFrame, held_out_from: str) -> Champion:
    missing = [repr(feature.name) for feature in manifest.features if feature.name not in test_rows.columns]
    if missing:
        columns = f"{'column' if len(missing) == 1 else 'columns'} {listed(missing, MAX_LISTED)}"
        obstacle = f"it needs the {columns}, which the table no longer has"
        return Champion(manifest.version, manifest.digest, None, obstacle=obstacle)
    try:
        output = Graph(model).run(RawRows(*raw_inputs(manifest.features, test_rows)))
    except Exception as error:  # noqa: BLE001  # onnxruntime's errors share no base class of their own
        obstacle = f"its graph does not run ({type(error).__name__})"
        return Champion(manifest.version, manifest.digest, None, obstacle=obstacle)
    held_out = test_rows[HELD_OUT_COLUMN].to_numpy(dtype=np.bool_) if held_out_from == manifest.digest else None
    return Champion(manifest.version, manifest.digest, output, held_out=held_out)


def _mismatch(new: PredictionTask, live: PredictionTask, version: int) -> str:
    """Return a clause that names how `new` differs from what the live version predicts."""
    if (new.target, new.task) != (live.target, live.task):
        return f"it predicts {new.target} ({new.task}); the live version {version} predicts {live.target} ({live.task})"
    changes = (
        ("new", [label for label in new.classes if label not in live.classes]),
        ("gone", [label for label in live.classes if label not in new.classes]),
    )
    names = "; ".join(f"{change}: {listed(labels, MAX_LISTED)}" for change, labels in changes if labels)
    return f"its classes of {new.target} are not those of the live version {version} ({names or 'another order'})"


def _clause(error: BundleError) -> str:
    return lower_first(error.what.rstrip("."))
