"""The served graph equals the trained model: every estimator and task, missing and unknown values included."""

from typing import get_args

import numpy as np
import onnx
import pytest

from pipeline.core.params import Estimator, GradientBoostingParams, Params, RandomForestParams, Task
from pipeline.core.problems import TrainingError
from pipeline.export.graph import estimator_graph, join
from pipeline.export.parity import largest_difference, verify_parity
from pipeline.onnx.session import Graph, RawRows
from pipeline.training.class_weights import Rows
from pipeline.training.estimator import effective_hyperparameters, fit
from pipeline.training.fitted_model import FittedModel
from tests.pipeline.toy import prepare_graph, prepared, raw_rows

pytestmark = pytest.mark.process
PARAMS = Params(
    gradient_boosting=GradientBoostingParams(n_estimators=40, learning_rate=0.1),
    random_forest=RandomForestParams(n_estimators=20),
)
PREPARE = prepare_graph()


def _fitted(kind: Estimator, task: Task, balance: str = "none", n: int = 500, n_classes: int = 3) -> FittedModel:
    train, _ = prepared(task, n, seed=1)
    validation, _ = prepared(task, 150, seed=2)
    return fit(
        kind,
        task,
        train,
        validation,
        n_classes=2 if task == "binary" else n_classes,
        hyperparameters=effective_hyperparameters(PARAMS, kind, n),
        balance=balance,
        seed=3,
    )


def _joined(fitted: FittedModel) -> bytes:
    return join(PREPARE, estimator_graph(fitted, 7, PREPARE))


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("kind", get_args(Estimator))
def test_graph_agrees_with_scikit_learn_when_values_are_missing_huge_or_unseen(kind: Estimator, task: Task) -> None:
    fitted = _fitted(kind, task)
    graph = Graph(_joined(fitted))
    test = raw_rows(700, seed=9)
    answers = graph.run(test)
    assert answers.shape == (700, {"binary": 2, "multiclass": 3, "regression": 1}[task])
    assert verify_parity(fitted, graph, Graph(PREPARE), test, answers) <= 1e-5


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "gradient_boosting", "random_forest", "linear"])
def test_graph_agrees_with_scikit_learn_when_classes_are_weighted(kind: Estimator) -> None:
    fitted = _fitted(kind, "binary", balance="class_weight")
    graph = Graph(_joined(fitted))
    test = raw_rows(300, seed=9)
    assert verify_parity(fitted, graph, Graph(PREPARE), test, graph.run(test)) <= 1e-5


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("kind", get_args(Estimator))
def test_bytes_are_equal_when_the_same_model_is_fitted_twice(kind: Estimator, task: Task) -> None:
    assert _joined(_fitted(kind, task, n=200)) == _joined(_fitted(kind, task, n=200))


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "gradient_boosting", "random_forest"])
def test_rows_stay_on_their_side_when_values_are_neighbours_in_float32(kind: Estimator, task: Task) -> None:
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 6, (800, 7)).astype(np.int32)
    X = (np.full((800, 7), 1.3, dtype=np.float32).view(np.int32) + steps).view(np.float32)
    z = steps[:, 0] * 2 - steps[:, 1] + steps[:, 2] * (steps[:, 3] > 2)
    y = {"binary": (z > 4).astype(np.int64), "multiclass": np.digitize(z, [2, 6]), "regression": z * 1.0}[task]
    rows = Rows(X, y)
    fitted = fit(
        kind,
        task,
        rows.take(np.arange(600)),
        rows.take(np.arange(600, 800)),
        n_classes=2 if task == "binary" else 3,
        hyperparameters=effective_hyperparameters(PARAMS, kind, 600),
        balance="none",
        seed=0,
    )
    answers = Graph(estimator_graph(fitted, 7, PREPARE).SerializeToString()).run_prepared(X)
    assert largest_difference(task, fitted.predict(X), answers, fitted.scale) <= 1e-5


def test_graph_has_the_names_and_shapes_of_the_bundle_when_joined() -> None:
    graph = onnx.load_from_string(_joined(_fitted("random_forest", "multiclass"))).graph
    assert [node.name for node in graph.input] == ["numeric", "categorical"]
    assert [node.name for node in graph.output] == ["probabilities"]
    assert [node.name for node in onnx.load_from_string(_joined(_fitted("linear", "regression"))).graph.output] == [
        "value"
    ]


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "linear", "dummy"])
def test_a_class_that_no_training_row_has_gets_probability_zero_when_served(kind: Estimator) -> None:
    fitted = _fitted(kind, "multiclass", n_classes=5)
    answers = Graph(_joined(fitted)).run(raw_rows(20))
    assert answers.shape == (20, 5)
    assert (answers[:, 3:] == 0).all()
    assert np.allclose(answers.sum(axis=1), 1.0, atol=1e-6)


def test_publishing_is_refused_with_train_03_when_the_model_is_too_large() -> None:
    estimator = estimator_graph(_fitted("random_forest", "binary"), 7, PREPARE)
    with pytest.raises(TrainingError, match="TRAIN-03"):
        join(PREPARE, estimator, max_bytes=10_000)


def test_publishing_is_refused_with_train_02_when_the_graph_is_of_another_model() -> None:
    fitted, other = _fitted("hist_gradient_boosting", "binary"), _fitted("linear", "binary")
    graph = Graph(_joined(other))
    test = raw_rows(50)
    with pytest.raises(TrainingError) as caught:
        verify_parity(fitted, graph, Graph(PREPARE), test, graph.run(test))
    assert caught.value.id == "TRAIN-02"


def test_publishing_is_refused_with_train_02_when_an_answer_is_not_a_number() -> None:
    fitted = _fitted("linear", "binary")
    graph = Graph(_joined(fitted))
    test = raw_rows(50)
    answers = graph.run(test)
    answers[7] = np.nan
    with pytest.raises(TrainingError, match="TRAIN-02"):
        verify_parity(fitted, graph, Graph(PREPARE), test, answers)


def test_training_is_refused_with_train_01_when_only_one_class_is_left() -> None:
    train, _ = prepared("binary", 60)
    with pytest.raises(TrainingError, match="TRAIN-01"):
        fit(
            "linear",
            "binary",
            Rows(train.X, np.zeros(60, dtype=np.int64)),
            Rows(train.X[:0], np.zeros(0, dtype=np.int64)),
            n_classes=2,
            hyperparameters=effective_hyperparameters(PARAMS, "linear", 60),
            balance="none",
            seed=0,
        )


def test_regression_difference_is_in_standard_deviations_beyond_float32s_own_step() -> None:
    reference = np.array([[2_000_000.0], [2_000_010.0]])
    one_step_off = (reference + 0.25).astype(np.float32)
    assert largest_difference("regression", reference, one_step_off, spread=10.0) <= 0.02
    assert largest_difference("regression", reference, reference.astype(np.float32) + 5, spread=10.0) == pytest.approx(
        0.49, abs=0.02
    )


def test_answer_is_finite_when_the_target_is_as_large_as_float32_allows() -> None:
    train, raw = prepared("regression", 300)
    rows = Rows(train.X, train.y * 1e30)
    fitted = fit(
        "linear",
        "regression",
        rows,
        rows.take(np.arange(0)),
        n_classes=0,
        hyperparameters=effective_hyperparameters(PARAMS, "linear", 300),
        balance="none",
        seed=0,
    )
    graph = Graph(_joined(fitted))
    assert verify_parity(fitted, graph, Graph(PREPARE), raw, graph.run(raw)) <= 1e-5


def test_columns_stay_apart_when_there_are_no_words() -> None:
    rows = RawRows(np.zeros((3, 2), dtype=np.float32), np.empty((3, 0), dtype=object))
    assert rows.take(slice(0, 2)).categorical.shape == (2, 0)
