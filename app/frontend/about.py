"""The live model in a few words. Pure."""

from datetime import UTC, datetime
from typing import Final

from app.frontend.labels import words
from app.frontend.views import Model
from pipeline.core.bundle import Manifest
from pipeline.core.metric_labels import metric_label

ESTIMATORS: Final = {
    "hist_gradient_boosting": "histogram gradient boosting",
    "gradient_boosting": "gradient boosting",
    "random_forest": "a random forest",
    "linear": "a linear model",
    "dummy": "the dummy baseline",
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
        metric=metric_label(manifest.primary_metric),
        metric_value=manifest.metrics.get(manifest.primary_metric, float("nan")),
        metrics=tuple((metric_label(name), value) for name, value in manifest.metrics.items()),
        importances=tuple(
            (words(name), name, round(100 * max(value, 0) / largest, 2) if largest > 0 else 0.0)
            for name, value in shares
        ),
    )


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
