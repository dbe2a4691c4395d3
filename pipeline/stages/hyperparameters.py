"""Chooses the hyperparameters of a run: those of its parameters, or the best that a search finds."""

from pipeline.core.events import Events
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import Params
from pipeline.evaluation.metrics import PRIMARY
from pipeline.training.estimator import Hyperparameters, effective_hyperparameters
from pipeline.training.training_data import TrainingData


def choose_hyperparameters(params: Params, data: TrainingData, events: Events) -> Hyperparameters:
    """Return the hyperparameters to fit with; search them if `params` allow time for it."""
    defaults = effective_hyperparameters(params, params.estimator, len(data.train))
    if params.tuning_budget_s <= 0 or not len(data.validation):
        return defaults
    from pipeline.training.tuning import SPACES, SearchSettings, search  # noqa: PLC0415  # optuna costs half a second that other runs save

    def report(done: int, total: int, best: float) -> None:
        events.progress(done, total, f"search: best {metric_in_sentence(PRIMARY[data.meta.task])} {abs(best):.4f}")

    result = search(
        SearchSettings(
            kind=params.estimator,
            task=data.meta.task,
            n_classes=len(data.meta.classes),
            balance=params.balance,
            defaults=defaults,
            budget_s=params.tuning_budget_s,
            max_trials=params.tuning_max_trials,
            seed=params.seed,
        ),
        data.train,
        data.validation,
        report,
    )
    if result.n_trials > 1:
        events.log(f"Tried {result.n_trials} sets of hyperparameters; best: {described(result.hyperparameters)}.")
    elif params.estimator in SPACES and params.tuning_max_trials > 1:
        limit = f"the tuning time limit of {params.tuning_budget_s:g} s"
        events.warning(f"Hyperparameters were not tuned: one trial with the defaults took more than half of {limit}.")
    return result.hyperparameters


def described(hyperparameters: Hyperparameters) -> str:
    """Return the hyperparameters for a line of the log: `max_iter 200, learning_rate 0.05`."""
    values = ((name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in hyperparameters.items())
    return ", ".join(f"{name} {value}" for name, value in values)
