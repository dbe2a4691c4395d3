"""The preparation graph answers as scikit-learn's own transformers do, for every choice and every odd value."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

from pipeline.core.params import Params
from pipeline.features.expressions import parse
from pipeline.features.fitting import ONE_HOT_MAX, NumberFit, TextFit, fit_numbers, fit_text
from pipeline.features.graph import Prepared, prepare_graph
from pipeline.ingest.columns import TextColumn
from pipeline.onnx.session import Graph, RawRows

Imputation = Literal["mean", "median", "most_frequent"]
Scaling = Literal["standard", "robust", "min_max", "none"]

NO_TEXT = np.empty((500, 0), dtype=object)
SCALERS = {"standard": StandardScaler, "robust": RobustScaler, "min_max": MinMaxScaler}


def table(n_rows: int = 500, seed: int = 0) -> npt.NDArray[np.float32]:
    """Ordinary, heavy-tailed, far from zero, few values, and without a gap; the others have gaps."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(size=n_rows),
        np.exp(3 * rng.normal(size=n_rows)),
        1.7e9 + rng.normal(size=n_rows) * 100,
        rng.integers(0, 4, n_rows),
        rng.normal(size=n_rows),
    ]
    values = np.column_stack(columns).astype(np.float32)
    values[:, :4][rng.random((n_rows, 4)) < 0.2] = np.nan
    return values


def fit(values: npt.NDArray[np.float32], params: Params) -> tuple[Prepared, NumberFit]:
    names = [f"c{i}" for i in range(values.shape[1])]
    numbers = fit_numbers(len(names), len(names), lambda i: values[:, i], params)
    return prepare_graph(names, [], numbers, []), numbers


@pytest.mark.parametrize("scaling", ["standard", "robust", "min_max", "none"])
@pytest.mark.parametrize("imputation", ["mean", "median", "most_frequent"])
def test_numbers_come_out_as_from_scikit_learn_when_some_are_missing(imputation: Imputation, scaling: Scaling) -> None:
    train, test = table(), table(seed=1)
    prepared, _ = fit(train, Params(imputation=imputation, scaling=scaling))
    imputer = SimpleImputer(strategy=imputation).fit(train.astype(np.float64))
    # What is imputed is rounded to float32, as everything that the model is given.
    train_filled, expected = (
        imputer.transform(rows.astype(np.float64)).astype(np.float32).astype(np.float64) for rows in (train, test)
    )
    if scaling != "none":
        expected = SCALERS[scaling]().fit(train_filled).transform(expected)
    flags = MissingIndicator(features="missing-only").fit(train).transform(test)
    np.testing.assert_allclose(
        Graph(prepared.model).run(RawRows(test, NO_TEXT)),
        np.hstack([expected, flags.astype(float)]),
        rtol=1e-5,
        atol=1e-6,
    )
    assert prepared.outputs[5:] == ["c0 (missing)", "c1 (missing)", "c2 (missing)", "c3 (missing)"]
    assert prepared.sources["c2 (missing)"] == ["c2"]


def test_infinite_is_missing_when_the_graph_meets_it() -> None:
    prepared, _ = fit(table(), Params())
    odd = np.repeat(table()[:1], 3, axis=0)
    odd[0, 4], odd[1, 4], odd[2, 4] = np.nan, np.inf, -np.inf
    answers = Graph(prepared.model).run(RawRows(odd, NO_TEXT))
    assert (answers == answers[0]).all()


def test_huge_values_stay_finite_when_they_are_scaled() -> None:
    train = table() * np.float32(1e-6)
    prepared, _ = fit(train, Params())
    huge = np.full((1, 5), 3e38, dtype=np.float32)
    assert np.isfinite(Graph(prepared.model).run(RawRows(huge, NO_TEXT))).all()


def test_a_constant_column_is_not_divided_by_zero_when_it_is_scaled() -> None:
    train = np.full((100, 1), 7.0, dtype=np.float32)
    for scaling in ("standard", "robust", "min_max"):
        prepared, _ = fit(train, Params(scaling=scaling))
        assert np.isfinite(Graph(prepared.model).run(RawRows(train, NO_TEXT))).all()


def test_no_indicator_comes_out_when_it_is_switched_off() -> None:
    assert fit(table(), Params(missing_indicator=False))[0].outputs == ["c0", "c1", "c2", "c3", "c4"]


def texts(n_kinds: int) -> TextColumn:
    """400 rows, the first kinds more frequent; every tenth missing."""
    codes = np.minimum(np.random.default_rng(0).geometric(2 / n_kinds, 400) - 1, n_kinds - 1).astype(np.int32)
    codes[::10] = -1
    return TextColumn("word", codes, [f"kind {i} é'\"" for i in range(n_kinds)])


def run_texts(fits: list[TextFit], rows: list[list[str]]) -> npt.NDArray[np.float32]:
    nothing = NumberFit(np.zeros(0, np.float32), "none", np.zeros(0), np.ones(0), [])
    prepared = prepare_graph([], [], nothing, fits)
    return Graph(prepared.model).run(RawRows(np.empty((len(rows), 0), np.float32), np.array(rows, dtype=object)))


def test_few_texts_come_out_as_from_one_hot_encoding_when_unseen_and_empty_ones_are_among_them() -> None:
    column = texts(5)
    fitted = fit_text(column, np.ones(400, dtype=bool), Params())
    assert fitted.one_hot
    assert fitted.known[-1] == ""
    rows = [[label] for label in [*column.labels, "", "never seen", "KIND 0"]]
    reference = OneHotEncoder(categories=[fitted.known], handle_unknown="ignore", sparse_output=False)
    expected = reference.fit(np.array([[known] for known in fitted.known], dtype=object)).transform(
        np.array(rows, dtype=object)
    )
    np.testing.assert_array_equal(run_texts([fitted], rows), expected)


def test_many_texts_come_out_as_from_ordinal_encoding_when_unseen_ones_are_among_them() -> None:
    column = texts(ONE_HOT_MAX + 10)
    fitted = fit_text(column, np.ones(400, dtype=bool), Params())
    assert not fitted.one_hot
    rows = [[label] for label in [*fitted.known, "never seen"]]
    reference = OrdinalEncoder(categories=[fitted.known], handle_unknown="use_encoded_value", unknown_value=-1)
    expected = reference.fit(np.array(rows[:-1], dtype=object)).transform(np.array(rows, dtype=object))
    np.testing.assert_array_equal(run_texts([fitted], rows), expected)


def test_many_texts_are_one_hot_when_the_model_is_linear() -> None:
    assert fit_text(texts(ONE_HOT_MAX + 10), np.ones(400, dtype=bool), Params(estimator="linear")).one_hot


def test_rare_texts_are_like_unseen_ones_when_there_are_more_than_fifty() -> None:
    column = TextColumn("word", np.repeat(np.arange(60, dtype=np.int32), 2)[:-1], [f"w{i:02d}" for i in range(60)])
    fitted = fit_text(column, np.ones(119, dtype=bool), Params())
    assert fitted.known == [f"w{i:02d}" for i in range(50)]
    assert run_texts([fitted], [["w59"], ["w00"]]).tolist() == [[-1.0], [0.0]]


def test_only_training_rows_count_when_texts_are_fitted() -> None:
    column = TextColumn("word", np.array([0, 1, 1, -1], dtype=np.int32), ["train", "test"])
    assert fit_text(column, np.array([True, False, False, False]), Params()).known == ["train"]


def test_a_row_has_one_answer_when_it_comes_alone_or_among_others() -> None:
    names, derived = ["a", "b"], [parse("x = log1p(a) * sqrt(abs(b))"), parse("y = a / b")]
    values = np.abs(table()[:, :2]) + np.float32(0.1)
    derived_values = np.column_stack([np.log1p(values[:, 0]) * np.sqrt(values[:, 1]), values[:, 0] / values[:, 1]])
    both = np.hstack([values, derived_values.astype(np.float32)])
    fitted = fit_numbers(2, 4, lambda i: both[:, i], Params())
    graph = Graph(prepare_graph(names, derived, fitted, []).model)
    together = graph.run(RawRows(values, NO_TEXT))
    alone = np.vstack([graph.run(RawRows(values[i : i + 1], NO_TEXT[:1])) for i in range(len(values))])
    np.testing.assert_array_equal(together, alone)
    assert np.isfinite(together).all()


def test_equal_statistics_give_equal_bytes_when_the_graph_is_written_twice() -> None:
    assert fit(table(), Params())[0].model == fit(table(), Params())[0].model


def test_names_stay_distinct_when_columns_collide() -> None:
    train = table()[:, :2]
    numbers = fit_numbers(2, 2, lambda i: train[:, i], Params())
    prepared = prepare_graph(["a", "a (missing)"], [], numbers, [])
    assert prepared.outputs == ["a", "a (missing)", "a (missing) (2)", "a (missing) (missing)"]
    assert prepared.sources["a (missing) (2)"] == ["a"]


def test_the_graph_needs_no_more_than_it_says_when_it_is_checked() -> None:
    model = onnx.load_from_string(fit(table(), Params())[0].model)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 21), ("ai.onnx.ml", 3)]
    assert [one.name for one in model.graph.input] == ["numeric"]
    assert [one.name for one in model.graph.output] == ["prepared"]


@pytest.mark.parametrize("scaling", ["standard", "min_max"])
@pytest.mark.parametrize("huge", [1e12, -1e30])
def test_values_stay_apart_when_one_is_huge(scaling: Scaling, huge: float) -> None:
    train = table()[:, 4:]
    train[7] = huge
    prepared, numbers = fit(train, Params(scaling=scaling))
    kept = len(np.unique(Graph(prepared.model).run(RawRows(train, NO_TEXT[: len(train)]))))
    assert kept >= 0.95 * len(np.unique(train))
    # With the huge value at the upper end, min-max scaling keeps the others apart by itself.
    assert numbers.merged == ([] if (scaling, huge) == ("min_max", 1e12) else [0])


def test_a_linear_model_gets_the_scaling_that_was_asked_for_when_one_value_is_huge() -> None:
    train = table()[:, 4:]
    train[7] = 1e12
    prepared, numbers = fit(train, Params(estimator="linear"))
    assert numbers.merged == [0]
    assert np.abs(Graph(prepared.model).run(RawRows(train, NO_TEXT[: len(train)]))).max() < 100


def test_ordinary_and_heavy_tailed_columns_are_scaled_as_asked_when_no_value_is_lost() -> None:
    assert fit(table(), Params())[1].merged == []
