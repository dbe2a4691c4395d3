"""The processed set returns the inputs that a model takes from a table."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.cells import Reading
from pipeline.core.manifest import Feature
from pipeline.core.problems import DataError
from pipeline.features import processed_dataset
from pipeline.features.processed_dataset import raw_inputs

FEATURES = [
    Feature(name="number", kind="numeric", nullable=True),
    Feature(name="word", kind="categorical", nullable=True),
    Feature(name="flag", kind="boolean", nullable=True),
    Feature(name="gone", kind="numeric", nullable=True),
    Feature(name="gone too", kind="categorical", nullable=True),
]


def test_inputs_are_in_the_order_of_the_features_when_columns_lack_or_hold_gaps() -> None:
    frame = pd.DataFrame({"word": pd.Categorical(["x", None]), "flag": [True, False], "number": [1.5, None], "new": 1})
    numbers, texts = raw_inputs(FEATURES, frame)
    np.testing.assert_array_equal(numbers, np.array([[1.5, 1.0, np.nan], [np.nan, 0.0, np.nan]], dtype=np.float32))
    assert numbers.dtype == np.float32
    assert texts.tolist() == [["x", ""], ["", ""]]


def test_values_are_converted_when_a_column_changed_its_kind() -> None:
    frame = pd.DataFrame({"number": pd.Categorical(["2", "many"]), "word": [3.0, 2.5]})
    numbers, texts = raw_inputs(FEATURES, frame)
    np.testing.assert_array_equal(numbers[:, 0], np.array([2.0, np.nan], dtype=np.float32))
    assert texts[:, 0].tolist() == ["3", "2.5"]


def test_cells_are_read_as_the_model_does_when_the_table_is_read_in_another_way_now() -> None:
    folding, words = Reading(folds_case=True), ["slow", "good"]
    features = [
        Feature(name="colour", kind="categorical", nullable=True, reading=folding, categories=["Red"]),
        Feature(name="review", kind="text", nullable=True, words=words),
        Feature(name="day", kind="date", nullable=True),
    ]
    frame = pd.DataFrame({"colour": ["RED", None], "review": ["Good, but SLOW!", None], "day": ["soon", "2020-01-31"]})
    _, texts = raw_inputs(features, frame)
    assert texts.tolist() == [["Red", "good but slow", ""], ["", "", "2020-01-31T00:00:00"]]


@pytest.mark.parametrize(
    "load",
    [
        processed_dataset.load_meta,
        processed_dataset.load_graph,
        processed_dataset.load_raw_test_frame,
        processed_dataset.load_train,
        processed_dataset.load_test,
    ],
)
def test_a_set_that_is_gone_is_a_named_problem_when_it_is_loaded(tmp_path: Path, load: object) -> None:
    assert callable(load)
    with pytest.raises(DataError) as caught:
        load(tmp_path / "gone")
    assert caught.value.id == "DATA-30"


def test_a_broken_description_is_a_named_problem_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / processed_dataset.META_FILE).write_text("{}")
    with pytest.raises(DataError) as caught:
        processed_dataset.load_meta(tmp_path)
    assert caught.value.id == "DATA-30"


@pytest.mark.slow
def test_a_set_is_loaded_quickly_when_it_has_many_columns(tmp_path: Path) -> None:
    outputs = [f"column {i}" for i in range(12_000)]
    meta = processed_dataset.Preparation(
        task="binary",
        target="t",
        classes=["no", "yes"],
        class_type="string",
        features=[],
        derived=[],
        outputs=outputs,
        sources={},
        n_train=2,
        n_validation=1,
        n_test=0,
    )
    (tmp_path / processed_dataset.META_FILE).write_text(meta.model_dump_json())
    table = pa.table(
        {name: pa.array([float(i), 0.5], pa.float32()) for i, name in enumerate(outputs)}
        | {processed_dataset.TARGET_COLUMN: [0, 1], processed_dataset.VALIDATION_COLUMN: [False, True]}
    )
    pq.write_table(table, tmp_path / processed_dataset.TRAIN_FILE)
    start_s = time.process_time()
    X, y, validation = processed_dataset.load_train(tmp_path)
    assert time.process_time() - start_s < 3  # 0.8 s on an idle machine; a quadratic search for the names takes 6
    assert (X.shape, X[0, 11_999], y.tolist(), validation.tolist()) == ((2, 12_000), 11_999.0, [0, 1], [False, True])
