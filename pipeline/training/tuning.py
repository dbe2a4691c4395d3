"""Searches hyperparameters on validation rows within a budget of seconds and trials.

The sampler is seeded and the trials run one after the other, so that the n-th trial of two equal searches is the same.
How many trials fit into a budget of seconds is not the same from run to run: a search that must give equal results
twice has to be bounded by its number of trials (a budget that is never reached), not by time.
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
class Search:
    """What is searched for, and how long. `defaults` are tried first, so that a search never ends below them."""

    kind: Estimator
    task: Task
    n_classes: int
    balance: str
    defaults: Hyperparameters
    budget_s: float
    max_trials: int
    seed: int


@dataclass(frozen=True)
class Found:
    """The best hyperparameters, their oriented primary metric on validation rows, and how many trials were made."""

    hyperparameters: Hyperparameters
    value: float
    n_trials: int


def search(
    job: Search,
    train: Rows,
    validation: Rows,
    report: Callable[[int, int, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Try hyperparameters and return the best. `report` gets trials done, trials at most, and the best value so far.

    A trial is started only if the longest one so far would still end within the budget; the first always runs.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=job.seed))
    train = _part(train, job.seed)
    best = Found(job.defaults, float("-inf"), 0)
    started, longest_s, done = clock(), 0.0, 0
    while done < job.max_trials and (done == 0 or clock() - started + longest_s <= job.budget_s):
        begun = clock()
        trial = study.ask() if done else None
        given = job.defaults | _suggest(trial, job.kind) if trial else job.defaults
        value = _value(job, given, train, validation)
        if trial:
            study.tell(trial, value)
        elif job.kind in SPACES:
            study.add_trials(_known(job, value))
        done += 1
        if value > best.value:
            best = Found(given, value, done)
        longest_s = max(longest_s, clock() - begun)
        report(done, job.max_trials, best.value)
        if job.kind not in SPACES:
            break
    return Found(best.hyperparameters, best.value, done)


def _value(job: Search, given: Hyperparameters, train: Rows, validation: Rows) -> float:
    fitted = fit(
        job.kind,
        job.task,
        train,
        validation,
        n_classes=job.n_classes,
        hyperparameters=given,
        balance=job.balance,
        seed=job.seed,
    )
    value = primary_value(job.task, validation.y, fitted.answers(validation.X))
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
    found: Hyperparameters = {}
    for name, space in SPACES[kind].items():
        if isinstance(space, optuna.distributions.FloatDistribution):
            found[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        else:
            found[name] = trial.suggest_int(name, space.low, space.high, log=space.log)
    return found


def _known(job: Search, value: float) -> list[optuna.trial.FrozenTrial]:
    """The trial of the defaults, for the sampler to learn from, if they lie within the space."""
    space = SPACES[job.kind]
    params = {name: job.defaults[name] for name in space}
    if not all(space[name].low <= params[name] <= space[name].high for name in space):
        return []
    return [optuna.trial.create_trial(params=params, distributions=dict(space), value=value)]


def _part(train: Rows, seed: int) -> Rows:
    if len(train) <= MAX_ROWS:
        return train
    return train.take(np.sort(np.random.default_rng(seed).choice(len(train), MAX_ROWS, replace=False)))
