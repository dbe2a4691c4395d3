"""The profile says how the values of a column are distributed over the given rows."""

import numpy as np
import pytest

from pipeline.features.profile import MAX_CATEGORIES, describe, to_feature
from pipeline.ingest.columns import NumberColumn, TextColumn, UnusableColumn, number_column

ALL = np.ones(100, dtype=np.bool_)


def test_numbers_are_described_when_some_are_missing_and_one_is_huge() -> None:
    values = np.arange(1000.0)
    values[999], values[0] = 1e9, np.nan
    column = describe(number_column("a", values), np.ones(1000, dtype=np.bool_), "feature")
    assert (column.kind, column.missing, column.missing_share) == ("numeric", 1, 0.001)
    assert (column.distinct, column.integer, column.min, column.max) == (999, True, 1.0, 1e9)
    assert column.quantiles["0.5"] == 500.0
    assert column.histogram is not None
    assert column.histogram.edges[-1] == pytest.approx(989.02)
    assert sum(column.histogram.counts) == 999
    assert all(40 < count < 70 for count in column.histogram.counts)


def test_mean_and_deviation_are_those_of_the_values_when_they_are_ordinary() -> None:
    values = np.random.default_rng(0).normal(5, 2, 100)
    column = describe(number_column("a", values), ALL, "feature")
    assert column.mean == pytest.approx(values.mean(), rel=1e-6)
    assert column.std == pytest.approx(values.std(), rel=1e-6)
    for share, value in column.quantiles.items():
        assert value == pytest.approx(np.quantile(values, float(share)), rel=1e-6)
    assert not column.integer


def test_every_figure_is_finite_when_values_lie_as_far_apart_as_float32_allows() -> None:
    column = describe(number_column("a", np.array([-3.4e38, 3.4e38] * 50)), ALL, "feature")
    assert column.histogram is not None
    figures = [*column.quantiles.values(), *column.histogram.edges, column.mean or 0.0, column.std or np.inf]
    assert np.isfinite(figures).all()
    assert column.histogram.counts == [50, *[0] * 18, 50]


def test_only_the_asked_rows_count_when_a_column_is_described() -> None:
    rows = np.arange(100) < 10
    assert describe(number_column("a", np.arange(100.0)), rows, "feature").max == 9.0
    text = TextColumn("t", np.arange(100, dtype=np.int32) % 20, [f"w{i}" for i in range(20)])
    assert describe(text, rows, "feature").distinct == 10


def test_nothing_is_made_up_when_a_column_has_no_value() -> None:
    column = describe(NumberColumn("a", np.full(100, np.nan, dtype=np.float32)), ALL, "dropped", "no value")
    assert (column.missing, column.distinct, column.min, column.histogram, column.reason) == (
        100,
        0,
        None,
        None,
        "no value",
    )


def test_one_bin_holds_all_when_a_column_is_constant() -> None:
    histogram = describe(number_column("a", np.full(100, 7.0)), ALL, "dropped").histogram
    assert histogram is not None
    assert sorted(histogram.counts) == [0] * 19 + [100]


def test_texts_are_counted_most_frequent_first_when_some_are_missing() -> None:
    codes = np.array([0] * 10 + [1] * 60 + [2] * 10 + [-1] * 20, dtype=np.int32)
    column = describe(TextColumn("t", codes, ["b", "a", "c"]), ALL, "feature")
    assert [(category.value, category.count) for category in column.categories] == [("a", 60), ("b", 10), ("c", 10)]
    assert (column.missing, column.missing_share, column.distinct) == (20, 0.2, 3)
    feature = to_feature(column, "b")
    assert (feature.categories, feature.category_counts, feature.nullable) == (["a", "b", "c"], [60, 10, 10], True)


def test_the_most_frequent_categories_are_kept_when_there_are_more() -> None:
    codes = np.concatenate([np.arange(MAX_CATEGORIES + 2), np.arange(MAX_CATEGORIES)]).astype(np.int32)
    column = TextColumn("t", codes, [f"{i:03}" for i in reversed(range(MAX_CATEGORIES + 2))])
    feature = to_feature(describe(column, np.ones(len(codes), dtype=np.bool_), "feature"), "002")
    assert feature.categories == [f"{i:03}" for i in range(2, MAX_CATEGORIES + 2)]
    assert feature.category_counts == [2] * MAX_CATEGORIES


def test_a_number_feature_has_its_range_when_it_is_made_from_a_profile() -> None:
    feature = to_feature(describe(number_column("a", np.arange(101.0)[1:]), ALL, "feature"), 5)
    assert (feature.kind, feature.min, feature.max, feature.median, feature.integer) == (
        "numeric",
        1.0,
        100.0,
        50.5,
        True,
    )
    assert feature.low == pytest.approx(1.99)
    assert feature.high == pytest.approx(99.01)
    flag = to_feature(describe(number_column("b", ALL, boolean=True), ALL, "feature"), True)
    assert flag.kind == "boolean"


def test_identifiers_are_only_counted_when_they_are_described() -> None:
    column = describe(UnusableColumn("id", np.arange(100, dtype=np.uint64), "an identifier"), ALL, "dropped")
    assert (column.kind, column.distinct) == ("other", 100)
