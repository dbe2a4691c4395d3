"""Metrics agree with scikit-learn's, the threshold is the best there is, and odd rows do not break them."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.core.params import ThresholdMetric
from pipeline.evaluation.metrics import best_threshold, primary_value, roc_auc, rounded, score


def test_binary_metrics_are_scikit_learns_when_scores_have_ties() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = np.round(np.clip(0.3 * y + rng.random(400) * 0.7, 0, 1), 2)
    metrics = score("binary", y, np.column_stack([1 - p, p]), 0.4)
    predicted = p >= 0.4
    assert metrics == {
        name: rounded(value)
        for name, value in {
            "roc_auc": sk.roc_auc_score(y, p),
            "average_precision": sk.average_precision_score(y, p),
            "accuracy": sk.accuracy_score(y, predicted),
            "precision": sk.precision_score(y, predicted),
            "recall": sk.recall_score(y, predicted),
            "f1": sk.f1_score(y, predicted),
            "log_loss": sk.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7)),
            "brier": sk.brier_score_loss(y, p),
        }.items()
    }


def test_multiclass_metrics_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300)
    p = rng.dirichlet([1, 1, 1, 1], 300) * 0.5 + 0.5 * np.eye(4)[y]
    metrics = score("multiclass", y, p, None)
    assert metrics["log_loss"] == rounded(sk.log_loss(y, p))
    assert metrics["macro_f1"] == rounded(sk.f1_score(y, p.argmax(1), average="macro"))
    assert metrics["roc_auc_ovr"] == rounded(sk.roc_auc_score(y, p, multi_class="ovr"))
    assert metrics["balanced_accuracy"] == rounded(sk.balanced_accuracy_score(y, p.argmax(1)))


def test_regression_metrics_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=200) * 7
    value = y + rng.normal(size=200)
    metrics = score("regression", y, value[:, None], None)
    assert metrics["r2"] == rounded(sk.r2_score(y, value))
    assert metrics["rmse"] == rounded(sk.root_mean_squared_error(y, value))
    assert metrics["mae"] == rounded(sk.mean_absolute_error(y, value))
    assert metrics["median_ae"] == rounded(sk.median_absolute_error(y, value))


def test_undefined_metrics_are_left_out_when_there_is_one_class() -> None:
    p = np.full((5, 2), 0.5)
    metrics = score("binary", np.zeros(5, dtype=np.int64), p, 0.5)
    assert "roc_auc" not in metrics
    assert "average_precision" not in metrics
    assert metrics["accuracy"] == 0.0
    assert np.isnan(primary_value("binary", np.zeros(5, dtype=np.int64), p))


@pytest.mark.parametrize("metric", get_args(ThresholdMetric))
def test_threshold_is_the_best_of_all_when_every_cut_is_tried(metric: ThresholdMetric) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(200) < 0.2).astype(np.int64)
    p = np.clip(0.1 + 0.2 * y + rng.random(200) * 0.3, 0, 1).astype(np.float32)
    threshold = best_threshold(y, p, metric)
    if metric == "none":
        assert threshold == 0.5
        return
    measure = {"f1": sk.f1_score, "balanced_accuracy": sk.balanced_accuracy_score, "accuracy": sk.accuracy_score}[
        metric
    ]
    assert measure(y, p >= threshold) == max(measure(y, p >= cut) for cut in [*np.unique(p), 2.0])


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), max_size=30))
def test_threshold_is_a_probability_whatever_the_rows(rows: list[tuple[bool, float]]) -> None:
    y = np.array([int(positive) for positive, _ in rows], dtype=np.int64)
    assert 0.0 <= best_threshold(y, np.array([p for _, p in rows], dtype=np.float32), "f1") <= 1.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_the_share_of_ordered_pairs_whatever_the_ties(rows: list[tuple[bool, int]]) -> None:
    y = np.array([int(positive) for positive, _ in rows])
    p = np.array([s / 5 for _, s in rows])
    pos, neg = p[y == 1], p[y == 0]
    if not len(pos) or not len(neg):
        assert np.isnan(roc_auc(y, p))
        return
    pairs = (pos[:, None] > neg).mean() + 0.5 * (pos[:, None] == neg).mean()
    assert roc_auc(y, p) == pytest.approx(pairs)
