"""Reads the results in a run's folder for its page: the metrics beside the baseline's, the plots."""

import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from pydantic import ValidationError

from pipeline.core.figures import plots as pipeline_plots
from pipeline.core.metric_labels import metric_label
from pipeline.core.stage import EVALUATION_FILE, DataResult, TrainResult, read_result


@dataclass(frozen=True)
class MetricRow:
    """One metric on the test rows, beside what the dummy baseline reaches (None: not measured)."""

    title: str
    value: float
    baseline: float | None
    is_primary: bool


@dataclass(frozen=True)
class Plot:
    """One plot of the run, ready to stand in a page."""

    name: str
    svg: Markup


def read_train(run_dir: Path) -> TrainResult | None:
    """Return the result of training, None while there is none or if it was written by another version of the program."""
    try:
        return read_result(run_dir, "train_model", TrainResult)
    except (OSError, ValidationError):
        return None


def read_leakage(run_dir: Path) -> tuple[tuple[str, str], ...]:
    """Return the features that give the target away, each with how; none before the data are processed."""
    try:
        return tuple(read_result(run_dir, "process_data", DataResult).leakage.items())
    except (OSError, ValidationError):
        return ()


def metric_rows(result: TrainResult) -> tuple[MetricRow, ...]:
    """Return the metrics, the gate metric first."""
    names = sorted(result.metrics, key=lambda name: name != result.primary_metric)
    return tuple(
        MetricRow(
            title=metric_label(name),
            value=result.metrics[name],
            baseline=result.baseline.get(name),
            is_primary=name == result.primary_metric,
        )
        for name in names
    )


def plots(run_dir: Path) -> tuple[Plot, ...]:
    """Return the plots of the run's evaluation, none while there is no evaluation or if another version wrote it."""
    try:
        evaluation = json.loads((run_dir / EVALUATION_FILE).read_bytes())
        drawn = pipeline_plots.plots(evaluation)
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    # pipeline.core.figures.plots draws from numbers and escapes the few texts in them; tests feed it hostile ones.
    return tuple(Plot(name, Markup(svg)) for name, svg in drawn.items())  # noqa: S704
