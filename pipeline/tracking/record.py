"""The record of a run for MLflow, written by training.

Training writes `record/` and goes on; no run waits for MLflow. `pipeline.tracking.delivery` delivers the record later.

    record/record.json       `Record`; written last, so that the record is whole if it is there
    record/model.onnx        and manifest.json: the bundle
    record/cells.py          what reads the cells of its columns, wherever MLflow loads the model
    record/evaluation.json   and plots/<name>.svg, profile.json
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from pipeline.core import cells
from pipeline.core.atomic_files import write_atomic
from pipeline.core.bundle import MANIFEST_FILE, MODEL_FILE, read_manifest
from pipeline.core.figures.plots import plots
from pipeline.core.manifest import Scalar
from pipeline.core.params import Params
from pipeline.core.stage import EVALUATION_FILE, PROFILE_FILE, RECORD_FILE

PLOTS_DIR: Final = "plots"
CELLS_FILE: Final = "cells.py"


class Record(BaseModel):
    """The data that is delivered beside the files. Tags and params are as MLflow shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    version: int
    created_at: str  # ISO 8601, UTC
    params: dict[str, Scalar]
    metrics: dict[str, float]
    tags: dict[str, str]
    data_digest: str
    n_rows: int


def write_record(
    folder: Path, bundle: Path, processed_dir: Path, params: Params, evaluation: Mapping[str, Any]
) -> None:
    """Write the record of a run into `folder`, replacing an existing one. Fast: it only links and writes text."""
    manifest = read_manifest(bundle)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / PLOTS_DIR).mkdir(parents=True)
    for name in (MODEL_FILE, MANIFEST_FILE):
        _link(bundle / name, folder / name)
    shutil.copyfile(cells.__file__, folder / CELLS_FILE)
    _link(bundle.parent / EVALUATION_FILE, folder / EVALUATION_FILE)
    if (processed_dir / PROFILE_FILE).exists():
        shutil.copyfile(processed_dir / PROFILE_FILE, folder / PROFILE_FILE)
    for name, svg in plots(evaluation).items():
        (folder / PLOTS_DIR / f"{name}.svg").write_text(svg, "utf-8")
    verdict = evaluation.get("verdict", {})
    record = Record(
        run_id=manifest.run_id,
        version=manifest.version,
        created_at=manifest.created_at,
        params=_flat(params) | {f"model.{name}": value for name, value in manifest.hyperparameters.items()},
        metrics={**evaluation["metrics"], **{f"baseline_{k}": v for k, v in evaluation["baseline"].items()}}
        | ({"threshold": manifest.threshold} if manifest.threshold is not None else {}),
        tags={
            "run_id": manifest.run_id,
            "version": str(manifest.version),
            "digest": manifest.digest,
            "data_digest": manifest.data_digest,
            "code_digest": manifest.code_digest,
            "params_digest": manifest.params_digest,
            "task": manifest.task,
            "target": manifest.target,
            "estimator": manifest.estimator,
            "verdict": str(verdict.get("decision", "")),
            "reason": str(verdict.get("reason", "")),
            **{f"version.{name}": value for name, value in manifest.versions.items()},
        },
        data_digest=manifest.data_digest,
        n_rows=manifest.n_train + manifest.n_test,
    )
    write_atomic(folder / RECORD_FILE, record.model_dump_json(indent=1).encode())


def read_record(folder: Path) -> Record:
    """Return the record in `folder`. Raises FileNotFoundError if there is none."""
    return Record.model_validate_json((folder / RECORD_FILE).read_bytes())


def _flat(params: Params) -> dict[str, Scalar]:
    """Return the parameters that apply, without those of other estimators; lists become text."""
    applicable: dict[str, Scalar] = {}
    for name, value in params.model_dump(mode="json").items():
        if isinstance(value, dict):
            continue
        applicable[name] = ", ".join(value) if isinstance(value, list) else value
    return applicable


def _link(source: Path, target: Path) -> None:
    """Hard-link a file that never changes; copy it where the file system has no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
