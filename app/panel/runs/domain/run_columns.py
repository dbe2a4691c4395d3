"""What the results of stages mean for the run's row, and when there is nothing to do. Pure but for reading results."""

from pathlib import Path
from typing import Any

from app.panel.runs.domain.interfaces import DeployResult
from app.panel.runs.domain.state import Trigger
from app.panel.runs.domain.tables import Run
from pipeline.core.stage import SeedResult, StageName, TrainResult, read_result

NO_CHANGE = "no change"


def run_columns(run_dir: Path, stage: StageName) -> dict[str, Any]:
    """Columns of the run that follow from the result that `stage` left in `run_dir`."""
    if stage == "set_seed":
        seed = read_result(run_dir, stage, SeedResult)
        return {
            "data_digest": seed.data_digest,
            "params_digest": seed.params_digest,
            "code_digest": seed.code_digest,
        }
    if stage == "train_model":
        train = read_result(run_dir, stage, TrainResult)
        return {"metrics": train.metrics, "verdict": train.verdict.model_dump(mode="json")}
    return {}


def deploy_columns(result: DeployResult) -> dict[str, Any]:
    """Columns of the run that follow from its deployment."""
    return {"model_version": result.version, "deployed": result.deployed}


def is_unchanged(run: Run, facts: dict[str, Any], last: Run | None) -> bool:
    """Whether a scheduled run would only repeat `last`, the last that succeeded: same data, code and parameters."""
    if last is None or run.trigger != Trigger.SCHEDULE or run.force:
        return False
    return all(facts[name] == getattr(last, name) for name in ("data_digest", "params_digest", "code_digest"))


def no_change(last: Run) -> dict[str, Any]:
    """The verdict of a run that had nothing to do."""
    reason = f"No change: data, code and parameters are those of run {last.number}; nothing to train."
    return {"decision": NO_CHANGE, "reason": reason}
