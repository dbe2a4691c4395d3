"""What a run's stages left in its folder, read for its page: the metrics beside the baseline's, the plots."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.stage import TrainResult, read_result

TITLES: Final = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "f1": "F1",
    "f1_macro": "F1, macro",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
}


@dataclass(frozen=True)
class MetricRow:
    """One metric on the test rows, beside what the dummy baseline reaches (None: not measured)."""

    title: str
    value: float
    baseline: float | None
    is_primary: bool


@dataclass(frozen=True)
class Plot:
    """One plot of the run; `path` is its file, `name` its part of the address."""

    name: str
    title: str


def read_train(run_dir: Path) -> TrainResult | None:
    """The result of training, None while there is none or if it was written by another version of the program."""
    try:
        return read_result(run_dir, "train_model", TrainResult)
    except (OSError, ValidationError):
        return None


def metric_rows(result: TrainResult) -> tuple[MetricRow, ...]:
    """The metrics, the one that decides first."""
    names = sorted(result.metrics, key=lambda name: name != result.primary_metric)
    return tuple(
        MetricRow(
            title=metric_title(name),
            value=result.metrics[name],
            baseline=result.baseline.get(name),
            is_primary=name == result.primary_metric,
        )
        for name in names
    )


def metric_title(name: str) -> str:
    """How a metric is called on pages."""
    return TITLES.get(name) or name.replace("_", " ").capitalize()


def plots(run_dir: Path) -> tuple[Plot, ...]:
    """The plots that training left."""
    files = sorted((run_dir / "record").glob("**/*.svg"))
    return tuple(Plot(file.stem, file.stem.replace("_", " ").capitalize()) for file in files)


def find_plot(run_dir: Path, name: str) -> Path | None:
    """The file of a plot, by name; never a path from outside."""
    return next((file for file in (run_dir / "record").glob("**/*.svg") if file.stem == name), None)
