"""Searches hyperparameters on validation rows within a limit of seconds and trials.

The sampler is seeded and the trials run one after the other, so that the n-th trial of two equal searches is the same.
How many trials fit into a number of seconds varies from run to run: a search that must be reproducible has to be
bounded by its number of trials, not by time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import optuna

from pipeline.core.params import Estimator, Task
from pipeline.evaluation.metrics import primary_value
from pipeline.training.class_weights import Rows
from pipeline.training.estimator import Hyperparameters, fit

MAX_ROWS: Final = 50_000  # of the training rows; the final fit uses all


@dataclass(frozen=True)
class SearchSettings:
    """The search space and its limits. `defaults` are tried first, so that a search never ends below them."""

    kind: Estimator
    task: Task
    n_classes: int
    balance: str
    defaults: Hyperparameters
    budget_s: float
    max_trials: int
    seed: int


@dataclass(frozen=True)
class SearchResult:
    """The best hyperparameters, their oriented primary metric on validation rows, and the number of trials."""

    hyperparameters: Hyperparameters
    value: float
    n_trials: int


def search(
    settings: SearchSettings,
    train: Rows,
    validation: Rows,
    report: Callable[[int, int, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Try hyperparameters and return the best. `report` gets trials done, maximum trials, and the best value so far.

    A trial is started only if the longest one so far would still end within the budget; the first always runs.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=settings.seed))
    train = _subsample(train, settings.seed)
    best = SearchResult(settings.defaults, float("-inf"), 0)
    started, longest_s, done = clock(), 0.0, 0
    while done < settings.max_trials and (done == 0 or clock() - started + longest_s <= settings.budget_s):
        begun = clock()
        trial = study.ask() if done else None
        hyperparameters = settings.defaults | _suggest(trial, settings.kind) if trial else settings.defaults
        value = _score(settings, hyperparameters, train, validation)
        if trial:
            study.tell(trial, value)
        elif settings.kind in SPACES:
            study.add_trials(_default_trial(settings, value))
        done += 1
        if value > best.value:
            best = SearchResult(hyperparameters, value, done)
        longest_s = max(longest_s, clock() - begun)
        report(done, settings.max_trials, best.value)
        if settings.kind not in SPACES:
            break
    return SearchResult(best.hyperparameters, best.value, done)


def _score(settings: SearchSettings, hyperparameters: Hyperparameters, train: Rows, validation: Rows) -> float:
    fitted = fit(
        settings.kind,
        settings.task,
        train,
        validation,
        n_classes=settings.n_classes,
        hyperparameters=hyperparameters,
        balance=settings.balance,
        seed=settings.seed,
    )
    value = primary_value(settings.task, validation.y, fitted.predict(validation.X))
    return value if np.isfinite(value) else -1e9


Space = dict[str, optuna.distributions.FloatDistribution | optuna.distributions.IntDistribution]

SPACES: Final[dict[Estimator, Space]] = {
    "hist_gradient_boosting": {
        "learning_rate": optuna.distributions.FloatDistribution(0.02, 0.3, log=True),
        "max_leaf_nodes": optuna.distributions.IntDistribution(4, 64, log=True),
        "min_samples_leaf": optuna.distributions.IntDistribution(5, 200, log=True),
        "l2_regularization": optuna.distributions.FloatDistribution(1e-3, 100.0, log=True),
    },
    "gradient_boosting": {
        "learning_rate": optuna.distributions.FloatDistribution(0.005, 0.2, log=True),
        "max_depth": optuna.distributions.IntDistribution(2, 6),
    },
    "random_forest": {
        "max_depth": optuna.distributions.IntDistribution(3, 24),
        "min_samples_leaf": optuna.distributions.IntDistribution(1, 50, log=True),
    },
    "linear": {"c": optuna.distributions.FloatDistribution(1e-4, 100.0, log=True)},
}


def _suggest(trial: optuna.Trial, kind: Estimator) -> Hyperparameters:
    suggested: Hyperparameters = {}
    for name, space in SPACES[kind].items():
        if isinstance(space, optuna.distributions.FloatDistribution):
            suggested[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        else:
            suggested[name] = trial.suggest_int(name, space.low, space.high, log=space.log)
    return suggested


def _default_trial(settings: SearchSettings, value: float) -> list[optuna.trial.FrozenTrial]:
    """Return the trial of the defaults, for the sampler to learn from, if they lie within the space."""
    space = SPACES[settings.kind]
    params = {name: settings.defaults[name] for name in space}
    if not all(space[name].low <= params[name] <= space[name].high for name in space):
        return []
    return [optuna.trial.create_trial(params=params, distributions=dict(space), value=value)]


def _subsample(train: Rows, seed: int) -> Rows:
    if len(train) <= MAX_ROWS:
        return train
    return train.take(np.sort(np.random.default_rng(seed).choice(len(train), MAX_ROWS, replace=False)))
