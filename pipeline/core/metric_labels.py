"""The names of metrics on pages, in plots and in sentences, and which of them are errors."""

from typing import Final

from pipeline.core.sentences import lower_first

METRIC_LABELS: Final = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs. rest)",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "macro_f1": "F1 (macro)",
    "precision": "Precision",
    "recall": "Recall",
    "r2": "R²",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "median_ae": "Median absolute error",
    "max_error": "Maximum error",
}
_NAMED_AFTER_PEOPLE: Final = frozenset({"brier"})
LOWER_IS_BETTER: Final = frozenset({"log_loss", "brier", "rmse", "mae", "median_ae", "max_error"})


def metric_label(name: str) -> str:
    """Return the metric's name as a heading: `Log loss`; an unknown metric in plain words."""
    return METRIC_LABELS.get(name) or name.replace("_", " ").capitalize()


def metric_in_sentence(name: str) -> str:
    """Return the metric's name inside a sentence: `log loss`, `ROC AUC`, `Brier score`."""
    label = metric_label(name)
    is_abbreviation = label[:2] == label[:2].upper()
    return label if is_abbreviation or name in _NAMED_AFTER_PEOPLE else lower_first(label)
