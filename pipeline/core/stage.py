"""The contract of a stage: its name, its function, its context and its result.

Light: the panel imports this, and numpy must not come along. Stage functions are named here, not imported.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from pipeline.core.events import Events
from pipeline.core.params import Params, Task

StageName = Literal["set_seed", "process_data", "train_model", "deploy"]
STAGES: Final[tuple[StageName, ...]] = ("set_seed", "process_data", "train_model", "deploy")

# Pages, logs and messages show these; the API and the CLI's options have the names.
STAGE_TITLES: Final[dict[str, str]] = {
    "set_seed": "Set seed",
    "process_data": "Process data",
    "train_model": "Train model",
    "deploy": "Deploy",
}

# The stages that run in a process of their own; deploy runs in the panel.
ENTRY: Final[dict[StageName, str]] = {
    "set_seed": "pipeline.stages.set_seed:run",
    "process_data": "pipeline.stages.process_data:run",
    "train_model": "pipeline.stages.train_model:run",
}

# Files that the stages leave beside their results, and who reads them: the panel's pages, and the delivery to MLflow.
PROFILE_FILE: Final = "profile.json"  # in `DataResult.processed_dir`
EVALUATION_FILE: Final = "evaluation.json"  # these three in the folder of the run
BUNDLE_DIR: Final = "bundle"
RECORD_DIR: Final = "record"
RECORD_FILE: Final = "record.json"  # in RECORD_DIR; written last, so that the record is whole if it is there


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageContext(_Record):
    """Everything that a stage gets. Serializes to JSON, to cross into another process.

    `run_dir` belongs to the run: each finished stage leaves its result there as `<stage>.json`, so that a later
    stage, a retry or a rerun from that stage reads it instead of doing the work again. `version` is the number
    of the model that this run may produce. `max_table_cells`: rows times columns of the largest table that is read; 0:
    as many as fit the memory of the process.
    """

    run_id: str
    stage: StageName
    attempt: int
    params: Params
    data_dir: Path
    models_dir: Path
    run_dir: Path
    version: int
    max_table_cells: int = 0


class SeedResult(_Record):
    """Result of set_seed: everything that the outcome of the run depends on. Digests are lower-case hex sha256."""

    seed: int
    data_digest: str
    params_digest: str
    code_digest: str
    n_files: int
    n_bytes: int
    versions: dict[str, str]


class DataResult(_Record):
    """Result of process_data. `processed_dir` holds train.parquet, test.parquet, profile.json, prepare.onnx, prepare.json.

    `leakage` are features that give the target away, each with a clause that says how; `champion_leakage` are such that
    only the live model has. `target_is_guess`: nobody named the
    target, and its name often means something else.
    """

    processed_dir: Path
    task: Task
    target: str
    n_rows: int
    n_train: int
    n_test: int
    n_columns: int
    n_features: int
    classes: list[str]
    dropped: dict[str, str]
    warnings: list[str]
    leakage: dict[str, str] = {}
    champion_leakage: dict[str, str] = {}
    target_is_guess: bool = False


class GateVerdict(_Record):
    """The decision between challenger and champion, and its reason in one sentence.

    `identical` means: same digest as the champion, so there is nothing to deploy. `difference` is challenger minus
    champion, in units of `metric`, oriented so that more is better; None without a champion to compare with.
    """

    decision: Literal["promote", "keep", "identical"]
    reason: str
    metric: str
    challenger: float | None
    champion: float | None
    champion_version: int | None
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None
    n_rows: int


class TrainResult(_Record):
    """Result of train_model.

    `bundle_dir` is the finished bundle, still private to the run (`run_dir/bundle`); deploy moves it into
    `models/versions/`. `metrics` are on the test rows. `evaluation.json` and `record/` lie in `run_dir`.
    """

    bundle_dir: Path
    digest: str
    task: Task
    estimator: str
    threshold: float | None
    metrics: dict[str, float]
    baseline: dict[str, float]
    primary_metric: str
    verdict: GateVerdict
    parity: float
    compute_s: dict[str, float]
    hyperparameters: dict[str, float | int | str | bool | None]
    warnings: list[str]


R = TypeVar("R", bound=BaseModel)
StageFunction = Callable[[StageContext, Events], BaseModel]


def load(stage: StageName) -> StageFunction:
    """Return the function of a stage; imports its module."""
    module, _, name = ENTRY[stage].partition(":")
    function: StageFunction = getattr(import_module(module), name)
    return function


def result_path(run_dir: Path, stage: StageName) -> Path:
    """Return the path of the result of a finished stage."""
    return run_dir / f"{stage}.json"


def read_result(run_dir: Path, stage: StageName, kind: type[R]) -> R:
    """Return the result of an earlier stage. Raises FileNotFoundError if that stage has not finished."""
    return kind.model_validate_json(result_path(run_dir, stage).read_text("utf-8"))
