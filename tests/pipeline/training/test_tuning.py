"""The search keeps to its budget, never ends below the defaults, and repeats."""

from itertools import count

import pytest

from pipeline.core.params import Estimator, Params
from pipeline.training.estimator import effective_hyperparameters
from pipeline.training.tuning import SearchSettings, search
from tests.pipeline.toy import prepared

pytestmark = pytest.mark.slow
TRAIN, VALIDATION = prepared("binary", 300)[0], prepared("binary", 150, seed=1)[0]


def _search(kind: Estimator = "linear", budget_s: float = 1e9, max_trials: int = 6) -> SearchSettings:
    params = Params.model_validate({"gradient_boosting": {"n_estimators": 5}, "random_forest": {"n_estimators": 5}})
    return SearchSettings(
        kind=kind,
        task="binary",
        n_classes=2,
        balance="none",
        defaults=effective_hyperparameters(params, kind, len(TRAIN)),
        budget_s=budget_s,
        max_trials=max_trials,
        seed=1,
    )


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "gradient_boosting", "random_forest", "linear"])
def test_best_is_never_below_the_defaults_when_searched(kind: Estimator) -> None:
    values: list[float] = []
    result = search(_search(kind, max_trials=4), TRAIN, VALIDATION, lambda _done, _total, best: values.append(best))
    assert result.n_trials == len(values) == 4
    assert values == sorted(values)
    assert result.value == values[-1] >= values[0]
    assert set(result.hyperparameters) == set(_search(kind).defaults)


def test_search_repeats_when_bounded_by_trials() -> None:
    def once() -> object:
        return search(_search(), TRAIN, VALIDATION, lambda *_: None)

    assert once() == once()


def test_search_stops_before_a_trial_that_would_not_fit_into_the_budget() -> None:
    ticks = count()  # each look at the clock is a second later: a trial takes 1 s, and 3 s pass from trial to trial
    result = search(
        _search(budget_s=10, max_trials=50), TRAIN, VALIDATION, lambda *_: None, clock=lambda: float(next(ticks))
    )
    assert 3 <= result.n_trials <= 4


def test_one_trial_is_made_when_there_is_nothing_to_search() -> None:
    assert search(_search("dummy"), TRAIN, VALIDATION, lambda *_: None).n_trials == 1


def test_defaults_outside_the_space_are_tried_too() -> None:
    job = _search(max_trials=2)
    outside = SearchSettings(**{**vars(job), "defaults": {"c": 1e6, "max_iter": 100}})
    assert search(outside, TRAIN, VALIDATION, lambda *_: None).n_trials == 2
