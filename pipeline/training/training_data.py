"""The rows of a run as train_model uses them, read from the processed set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.events import Events
from pipeline.core.params import Params, choice_title
from pipeline.evaluation.metrics import Floats
from pipeline.evaluation.report import Labels
from pipeline.features.processed_dataset import Preparation, load_graph, load_meta, load_raw_test, load_train
from pipeline.onnx.session import RawRows
from pipeline.training.class_weights import Rows, undersample
from pipeline.training.estimator import fit


@dataclass(frozen=True)
class TrainingData:
    """The rows of a run. `train` and `validation` are prepared; `test` are the raw columns."""

    meta: Preparation
    prepare: bytes
    train: Rows
    validation: Rows
    test: RawRows
    y_test: Labels
    y_prior: Labels  # of all training rows, before undersampling


def load_training_data(processed_dir: Path, params: Params, events: Events) -> TrainingData:
    """Return the processed set in `processed_dir`, undersampled if `params` say so. Raises DataError DATA-30 if it is gone."""
    meta = load_meta(processed_dir)
    X, y, is_validation = load_train(processed_dir)
    train, validation = Rows(X[~is_validation], y[~is_validation]), Rows(X[is_validation], y[is_validation])
    numeric, categorical, y_test = load_raw_test(processed_dir)
    if params.balance != "none" and meta.task == "regression":
        events.warning(f"Balance “{choice_title(params.balance)}” has no effect on a regression.")
    elif params.balance == "undersample":
        before = len(train)
        train = undersample(train, params.seed)
        events.log(
            f"Undersampled the training rows from {before:,} to {len(train):,}, with equal numbers of each class."
        )
    return TrainingData(
        meta, load_graph(processed_dir), train, validation, RawRows(numeric, categorical), y_test, y[~is_validation]
    )


def baseline_output(data: TrainingData) -> Floats:
    """Return the output of the baseline for the test rows: a constant."""
    blank = np.zeros((len(data.y_prior), 1), dtype=np.float32)
    fitted = fit(
        "dummy",
        data.meta.task,
        Rows(blank, data.y_prior),
        Rows(blank[:0], data.y_prior[:0]),
        n_classes=len(data.meta.classes),
        hyperparameters={},
        balance="none",
        seed=0,
    )
    return np.repeat(fitted.predict(blank[:1]), len(data.y_test), axis=0)
