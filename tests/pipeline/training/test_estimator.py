"""The same rows, seed and settings give the same model, whatever machine it is fitted on."""

import numpy as np
import pytest

from pipeline.core.params import Estimator, HistGradientBoostingParams, Params, RandomForestParams, Task
from pipeline.training.class_weights import Rows
from pipeline.training.estimator import effective_hyperparameters, fit

pytestmark = pytest.mark.slow
N_COLUMNS = 12
N_ROWS = 50_000  # enough for threads
PARAMS = Params(
    random_forest=RandomForestParams(n_estimators=7, max_depth=6),
    hist_gradient_boosting=HistGradientBoostingParams(max_iter=15),
)


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("linear", "binary"),
        ("linear", "regression"),
        ("random_forest", "multiclass"),
        ("hist_gradient_boosting", "binary"),
    ],
)
def test_answers_are_equal_in_every_bit_when_the_machine_has_more_cores(
    kind: Estimator, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS + 500, N_COLUMNS)).astype(np.float32)
    z = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=len(X))
    y = {"binary": (z > 0).astype(np.int64), "multiclass": np.digitize(z, [-1, 1]), "regression": z}[task]
    predictions = []
    for n_cores in (2, 3, 4):
        monkeypatch.setattr("pipeline.training.threads.cpu_count", lambda n_cores=n_cores: n_cores)
        fitted = fit(
            kind,
            task,
            Rows(X[:N_ROWS], y[:N_ROWS]),
            Rows(X[N_ROWS:], y[N_ROWS:]),
            n_classes=0 if task == "regression" else 3 if task == "multiclass" else 2,
            hyperparameters=effective_hyperparameters(PARAMS, kind, N_ROWS),
            balance="none",
            seed=1,
        )
        predictions.append(fitted.predict(X).tobytes())
    assert predictions[1:] == predictions[:1] * 2
