"""The live model in a few words. Pure."""

from datetime import UTC, datetime
from typing import Final

from app.frontend.labels import words
from app.frontend.views import Model
from pipeline.core.bundle import Manifest

ESTIMATORS: Final = {
    "hist_gradient_boosting": "histogram gradient boosting",
    "gradient_boosting": "gradient boosting",
    "random_forest": "a random forest",
    "linear": "a linear model",
    "dummy": "the dummy baseline",
}
METRICS: Final = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "f1": "F1",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "r2": "R²",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "roc_auc_ovr": "ROC AUC (one against the rest)",
    "macro_f1": "F1 (macro)",
    "median_ae": "Median absolute error",
}


def describe(manifest: Manifest) -> Model:
    """What the head of each page and the box about the model say."""
    shares = sorted(manifest.importances.items(), key=lambda item: -item[1])
    largest = max((value for _, value in shares), default=0.0)
    return Model(
        version=manifest.version,
        target=manifest.target,
        target_words=words(manifest.target),
        question=_question(manifest),
        estimator=ESTIMATORS.get(manifest.estimator, words(manifest.estimator).lower()),
        trained_at=_moment(manifest.created_at),
        n_train=manifest.n_train,
        n_test=manifest.n_test,
        metric=metric_words(manifest.primary_metric),
        metric_value=manifest.metrics.get(manifest.primary_metric, float("nan")),
        metrics=tuple((metric_words(name), value) for name, value in manifest.metrics.items()),
        importances=tuple(
            (words(name), name, round(100 * max(value, 0) / largest, 2) if largest > 0 else 0.0)
            for name, value in shares
        ),
    )


def metric_words(name: str) -> str:
    """`roc_auc` -> `ROC AUC`; unknown names in plain words."""
    return METRICS.get(name, words(name))


def _question(manifest: Manifest) -> str:
    if manifest.task == "regression":
        return f"What is {manifest.target}?"
    if manifest.task == "binary":
        return f"Is {manifest.target} {manifest.classes[0]} or {manifest.classes[1]}?"
    listed = ", ".join(manifest.classes[:5]) + (", …" if len(manifest.classes) > 5 else "")
    return f"Which {manifest.target}: {listed}?"


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
