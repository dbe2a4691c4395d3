"""Stages that do nothing but leave a valid result.

Each attempt's process imports this, so it imports no more than a stage needs.
"""

from typing import Final

from pipeline.core.atomic_files import write_atomic
from pipeline.core.events import Events
from pipeline.core.stage import DataResult, GateVerdict, SeedResult, StageContext, TrainResult

EMPTY_STAGES: Final = {stage: f"bench.empty_stages:{stage}" for stage in ("set_seed", "process_data", "train_model")}
VERDICT: Final = GateVerdict(
    decision="promote",
    reason="The first model beats the baseline.",
    metric="roc_auc",
    challenger=0.9,
    champion=None,
    champion_version=None,
    baseline=0.5,
    difference=None,
    low=None,
    high=None,
    n_rows=10,
)


def set_seed(ctx: StageContext, events: Events) -> SeedResult:
    """Return as the data's digest the content of `data_dir/raw/data.csv`, if there is one."""
    events.log("seed")
    raw = ctx.data_dir / "raw" / "data.csv"
    content = raw.read_text() if raw.exists() else ""
    return SeedResult(
        seed=ctx.params.seed,
        data_digest=content or "none",
        params_digest=ctx.params.model_dump_json(),
        code_digest="code",
        n_files=1,
        n_bytes=len(content),
        versions={},
    )


def process_data(ctx: StageContext, events: Events) -> DataResult:
    """Return ten rows that do not exist."""
    events.progress(1, 2, "rows")
    return DataResult(
        processed_dir=ctx.run_dir / "processed",
        task="binary",
        target="y",
        n_rows=10,
        n_train=8,
        n_test=2,
        n_columns=2,
        n_features=1,
        classes=["0", "1"],
        dropped={},
        warnings=[],
    )


def train_model(ctx: StageContext, events: Events) -> TrainResult:
    """Return a bundle with nothing in it."""
    (ctx.run_dir / "bundle").mkdir(exist_ok=True)
    write_atomic(ctx.run_dir / "evaluation.json", b"{}")
    return TrainResult(
        bundle_dir=ctx.run_dir / "bundle",
        digest="d" * 64,
        task="binary",
        estimator="dummy",
        threshold=0.5,
        metrics={"roc_auc": 0.9},
        baseline={"roc_auc": 0.5},
        primary_metric="roc_auc",
        verdict=VERDICT,
        parity=0.0,
        compute_s={"fit": 0.1},
        hyperparameters={},
        warnings=[],
    )
