"""The gate: its rules as a table, the interval against brute force, the sentences that people read."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.core.params import Task
from pipeline.core.stage import GateVerdict
from pipeline.evaluation.bootstrap import difference_interval
from pipeline.evaluation.gate import Champion, Rule, decide, is_constant

Array = npt.NDArray[np.float64]
NOT_WORSE = Rule("not_worse", margin=0.002, confidence=0.95)
BETTER = Rule("better", margin=0.002, confidence=0.95)


def _binary(
    n: int = 2000, skill: float = 2.0, noise: float = 0.0, seed: int = 0
) -> tuple[npt.NDArray[np.int64], Array]:
    """Targets that depend on `seed` only, and probabilities as good as `skill` less `noise`."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(np.int64)
    z = rng.normal(size=n) + skill * y + noise * rng.normal(size=n)
    p = 1 / (1 + np.exp(-z))
    return y, np.column_stack([1 - p, p])


def _decide(
    challenger: Array, champion: Champion | None, rule: Rule = NOT_WORSE, task: Task = "binary", digest: str = "new"
) -> GateVerdict:
    y, _ = _binary(len(challenger))
    baseline = np.tile([0.8, 0.2], (len(y), 1))
    return decide(
        task, y, challenger=challenger, baseline=baseline, digest=digest, champion=champion, rule=rule, seed=1
    )


GOOD, EQUAL, NOISY = _binary()[1], _binary(noise=0.02)[1], _binary(noise=2.0)[1]
USELESS = np.random.default_rng(5).dirichlet([1, 1], 2000)


@pytest.mark.parametrize(
    ("challenger", "champion", "rule", "decision"),
    [
        pytest.param(GOOD, None, NOT_WORSE, "promote", id="first model that beats the dummy"),
        pytest.param(GOOD, None, BETTER, "promote", id="first model under the strict rule"),
        pytest.param(1 - GOOD, None, NOT_WORSE, "keep", id="first model below the dummy"),
        pytest.param(GOOD, NOISY, NOT_WORSE, "promote", id="better"),
        pytest.param(GOOD, NOISY, BETTER, "promote", id="better under the strict rule"),
        pytest.param(EQUAL, GOOD, NOT_WORSE, "promote", id="hardly different"),
        pytest.param(EQUAL, GOOD, BETTER, "keep", id="hardly different under the strict rule"),
        pytest.param(NOISY, GOOD, NOT_WORSE, "keep", id="worse"),
        pytest.param(NOISY, GOOD, Rule("not_worse", 0.5, 0.95), "promote", id="worse within a wide margin"),
        pytest.param(NOISY, GOOD, BETTER, "keep", id="worse under the strict rule"),
        pytest.param(np.tile([0.7, 0.3], (2000, 1)), USELESS, NOT_WORSE, "keep", id="constant"),
        pytest.param(np.tile([0.7, 0.3], (2000, 1)), None, NOT_WORSE, "keep", id="constant first model"),
        pytest.param(np.full((2000, 2), np.nan), USELESS, NOT_WORSE, "keep", id="not a number"),
        pytest.param(np.where(np.arange(2000)[:, None] == 3, np.nan, GOOD), None, NOT_WORSE, "keep", id="one NaN"),
    ],
)
def test_decision_when_case(challenger: Array, champion: Array | None, rule: Rule, decision: str) -> None:
    verdict = _decide(challenger, None if champion is None else Champion(3, "old", champion), rule)
    assert verdict.decision == decision, verdict.reason


@pytest.mark.parametrize("rule", [NOT_WORSE, BETTER])
def test_identical_when_digests_are_equal(rule: Rule) -> None:
    verdict = _decide(GOOD, Champion(3, "same", GOOD), rule, digest="same")
    assert (verdict.decision, verdict.difference, verdict.champion_version) == ("identical", 0.0, 3)
    assert verdict.reason == "Nothing to deploy: this model is identical to version 3."


def test_rows_that_the_champion_was_trained_on_do_not_decide_when_it_has_memorised_them() -> None:
    y, _ = _binary()
    memorised = np.where(np.arange(2000)[:, None] < 1500, np.eye(2)[y] * 0.98 + 0.01, NOISY)
    assert _decide(GOOD, Champion(3, "old", memorised)).decision == "keep"
    verdict = _decide(GOOD, Champion(3, "old", memorised, held_out=np.arange(2000) >= 1500), BETTER)
    assert (verdict.decision, verdict.n_rows) == ("promote", 500)
    assert "on 500 test rows that neither was trained on" in verdict.reason
    assert verdict.challenger == pytest.approx(roc_auc_score(y[1500:], GOOD[1500:, 1]), rel=1e-5)


@pytest.mark.parametrize(("rule", "decision"), [(NOT_WORSE, "promote"), (BETTER, "keep")])
def test_rule_decides_when_the_champion_was_trained_on_every_test_row(rule: Rule, decision: str) -> None:
    verdict = _decide(GOOD, Champion(3, "old", GOOD, held_out=np.zeros(2000, dtype=np.bool_)), rule)
    assert verdict.decision == decision
    assert "it was trained on all but 0 of the test rows" in verdict.reason
    assert verdict.n_rows == 2000


@pytest.mark.parametrize("rule", [NOT_WORSE, BETTER])
@pytest.mark.parametrize("challenger", [GOOD, 1 - GOOD])
def test_model_is_kept_whatever_its_metric_when_it_predicts_something_else(challenger: Array, rule: Rule) -> None:
    mismatch = "it predicts y (binary); the live version 3 predicts x (regression)"
    verdict = _decide(challenger, Champion(3, "old", None, mismatch=mismatch), rule)
    assert (verdict.decision, verdict.champion_version, verdict.champion) == ("keep", 3, None)
    assert verdict.baseline == pytest.approx(0.5)
    assert verdict.reason == (
        "Not promoted: it predicts y (binary); the live version 3 predicts x (regression). "
        "Promote it manually on the Models page if this is intended."
    )


def test_nobody_is_asked_to_promote_it_when_it_is_useless_and_predicts_something_else() -> None:
    champion = Champion(3, "old", None, mismatch="it predicts y (binary); the live version 3 predicts x (regression)")
    verdict = _decide(np.tile([0.7, 0.3], (2000, 1)), champion)
    assert verdict.decision == "keep"
    assert "it makes the same prediction for all 2,000 test rows" in verdict.reason
    assert "manually" not in verdict.reason


@pytest.mark.parametrize(("rule", "decision"), [(NOT_WORSE, "promote"), (BETTER, "keep")])
def test_rule_decides_when_champion_cannot_be_scored(rule: Rule, decision: str) -> None:
    champion = Champion(3, "old", None, obstacle="it needs the column 'age', which the table no longer has")
    verdict = _decide(GOOD, champion, rule)
    assert verdict.decision == decision
    assert (
        "version 3 cannot be scored on this data because it needs the column 'age'"
        in verdict.reason.lower().replace("Version", "version")
    )
    assert verdict.difference is None


def test_no_version_is_named_when_the_pointer_to_the_champion_is_broken() -> None:
    verdict = _decide(GOOD, Champion(0, "", None, obstacle="the pointer to it cannot be read"))
    assert verdict.reason.startswith("The live model cannot be scored on this data because the pointer")


def test_reason_has_the_numbers_in_plain_words_when_champion_is_beaten() -> None:
    verdict = _decide(GOOD, Champion(3, "old", NOISY))
    assert verdict.reason == (
        "Promoted: its ROC AUC 0.9172 is significantly better than that of version 3 (0.7359) on the same 2,000 "
        "test rows (0.1813 better, 95% confidence interval 0.1575 better to 0.2048 better)."
    )
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.difference is not None
    assert 0 < verdict.low < verdict.difference < verdict.high


def test_lower_is_better_when_metric_is_log_loss() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 500)
    sharp = np.full((500, 3), 0.1) + 0.7 * np.eye(3)[y] + rng.random((500, 1)) * 1e-3
    blunt = np.full((500, 3), 0.3) + 0.1 * np.eye(3)[y] + rng.random((500, 1)) * 1e-3
    baseline = np.full((500, 3), 1 / 3)
    verdict = decide(
        "multiclass",
        y,
        challenger=sharp,
        baseline=baseline,
        digest="n",
        champion=Champion(2, "o", blunt),
        rule=BETTER,
        seed=0,
    )
    assert verdict.decision == "promote"
    assert verdict.challenger is not None
    assert verdict.champion is not None
    assert verdict.challenger < verdict.champion
    assert verdict.difference is not None
    assert verdict.difference > 0
    assert "lower is better" in verdict.reason


def test_interval_of_regression_covers_the_difference_when_one_model_is_better() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=400) * 10
    good, bad = (y + rng.normal(size=400))[:, None], (y + 5 * rng.normal(size=400))[:, None]
    low, high = difference_interval("regression", y, good, bad, confidence=0.9, seed=1)
    assert 0 < low < high < 1


def test_interval_equals_brute_force_when_metric_is_auc() -> None:
    y, champion = _binary(300, noise=1.0)
    _, challenger = _binary(300)
    challenger = np.round(challenger, 2)  # ties
    low, high = difference_interval("binary", y, challenger, champion, confidence=0.8, seed=7, resamples=50)
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(50):
        rows = rng.integers(0, 300, 300)
        draws.append(roc_auc_score(y[rows], challenger[rows, 1]) - roc_auc_score(y[rows], champion[rows, 1]))
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.1, 0.9])))


def test_interval_is_quick_when_there_are_30000_rows() -> None:
    y, champion = _binary(30_000, noise=1.0)
    start_s = time.process_time()
    difference_interval("binary", y, _binary(30_000)[1], champion, confidence=0.95, seed=1, resamples=500)
    assert time.process_time() - start_s < 3  # 0.2 s on an idle machine; a quadratic one takes minutes


@pytest.mark.slow
def test_draw_of_rows_decides_when_there_are_many() -> None:
    y, p = _binary(120_000)
    baseline = np.tile([0.8, 0.2], (len(y), 1))
    champion = Champion(1, "old", _binary(120_000, noise=2.0)[1])
    verdict = decide("binary", y, challenger=p, baseline=baseline, digest="n", champion=champion, rule=BETTER, seed=1)
    assert (verdict.decision, verdict.n_rows) == ("promote", 100_000)


def test_constant_is_seen_when_answers_differ_by_less_than_float32_can_tell() -> None:
    rng = np.random.default_rng(0)
    p = 0.067 + rng.random(100) * 1e-9
    assert is_constant("binary", np.column_stack([1 - p, p]))
    assert is_constant("regression", 1e6 + rng.random((100, 1)) * 1e-3)
    assert not is_constant("regression", rng.random((100, 1)))


def test_verdict_is_keep_without_metric_when_test_rows_have_one_class() -> None:
    y = np.zeros(50, dtype=np.int64)
    p = np.random.default_rng(0).dirichlet([1, 1], 50)
    verdict = decide("binary", y, challenger=p, baseline=p, digest="n", champion=None, rule=NOT_WORSE, seed=0)
    assert (verdict.decision, verdict.challenger) == ("keep", None)
    assert "not a number" in verdict.reason
