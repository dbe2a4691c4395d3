"""What metrics are called as headings and inside sentences."""

import pytest

from pipeline.core.metric_labels import metric_in_sentence, metric_label


@pytest.mark.parametrize(
    ("name", "heading", "in_sentence"),
    [
        ("roc_auc", "ROC AUC", "ROC AUC"),
        ("log_loss", "Log loss", "log loss"),
        ("r2", "R²", "R²"),
        ("brier", "Brier score", "Brier score"),
        ("bias", "Bias", "bias"),
    ],
)
def test_metric_has_its_name_when_it_is_shown(name: str, heading: str, in_sentence: str) -> None:
    assert metric_label(name) == heading
    assert metric_in_sentence(name) == in_sentence
