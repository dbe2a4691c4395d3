"""The live model in a few words: the head of each page and the box about the model. Pure."""

from datetime import UTC, datetime

from app.frontend.labels import column_label
from app.frontend.views import ModelSummary
from pipeline.core.manifest import Manifest
from pipeline.core.metric_labels import metric_label
from pipeline.core.params import choice_title


def summarize_model(manifest: Manifest) -> ModelSummary:
    """Return what pages say about the model; importances are in percent of the largest, descending."""
    ranked = sorted(manifest.importances.items(), key=lambda item: -item[1])
    largest = max((importance for _, importance in ranked), default=0.0)
    return ModelSummary(
        version=manifest.version,
        target=manifest.target,
        estimator=choice_title(manifest.estimator),
        trained_at=_parse_time(manifest.created_at),
        n_train=manifest.n_train,
        n_test=manifest.n_test,
        metrics=tuple((metric_label(name), value) for name, value in manifest.metrics.items()),
        importances=tuple(
            (column_label(name), name, round(100 * max(importance, 0) / largest, 2) if largest > 0 else 0.0)
            for name, importance in ranked
        ),
    )


def _parse_time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
