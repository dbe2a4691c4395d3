"""The columns of a run that follow from the results of its stages, and whether there is anything to do."""

from pathlib import Path
from typing import Any

from app.panel.runs.domain.interfaces import DeployResult
from app.panel.runs.domain.state import Trigger
from app.panel.runs.domain.tables import Run
from pipeline.core.stage import SeedResult, StageName, TrainResult, read_result

NO_CHANGE = "no change"
_DIGESTS = ("data_digest", "params_digest", "code_digest")


def run_columns(run_dir: Path, stage: StageName) -> dict[str, Any]:
    """Return the columns of the run that follow from the result of `stage` in `run_dir`."""
    if stage == "set_seed":
        seed = read_result(run_dir, stage, SeedResult)
        return {name: getattr(seed, name) for name in _DIGESTS}
    if stage == "train_model":
        train = read_result(run_dir, stage, TrainResult)
        return {"metrics": train.metrics, "verdict": train.verdict.model_dump(mode="json")}
    return {}


def deploy_columns(result: DeployResult) -> dict[str, Any]:
    """Return the columns of the run that follow from its deployment."""
    return {"model_version": result.version, "deployed": result.deployed}


def is_unchanged(run: Run, last: Run) -> bool:
    """Return True if a scheduled run would only repeat `last`: same data, code and parameters."""
    if run.trigger != Trigger.SCHEDULE or run.force or run.data_digest is None:
        return False
    return all(getattr(run, name) == getattr(last, name) for name in _DIGESTS)


def no_change(last: Run) -> dict[str, Any]:
    """Return the verdict of a run that has nothing to do since run `last`."""
    reason = f"No change: data, code and parameters are those of run {last.number}; nothing to train."
    return {"decision": NO_CHANGE, "reason": reason}
