"""The processed data set of a run, on disk: process_data writes it, train_model reads it.

    data/processed/<key>/train.parquet      prepared float32 columns, `__target__`, `__validation__`
    data/processed/<key>/test.parquet       prepared float32 columns, `__target__`
    data/processed/<key>/raw_test.parquet   the same test rows as in the table, `__target__`, and, if the live model was
                                            trained on some of them, `__held_out__`, true for the others
    data/processed/<key>/prepare.onnx       raw columns -> prepared columns, the graph that made both sets
    data/processed/<key>/prepare.json       `Preparation`
    data/processed/<key>/profile.json       `pipeline.core.table_profile.Profile`

What trains is what serves: the prepared columns are the output of prepare.onnx itself, run by onnxruntime.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.cells import Cells
from pipeline.core.disk import is_of_disk
from pipeline.core.manifest import ClassType, Feature
from pipeline.core.params import Task
from pipeline.features.problems import ProcessedDatasetGoneError

TRAIN_FILE: Final = "train.parquet"
TEST_FILE: Final = "test.parquet"
RAW_TEST_FILE: Final = "raw_test.parquet"
GRAPH_FILE: Final = "prepare.onnx"
META_FILE: Final = "prepare.json"
TARGET_COLUMN: Final = "__target__"
VALIDATION_COLUMN: Final = "__validation__"
HELD_OUT_COLUMN: Final = "__held_out__"

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]
# Classes: int64 positions in `Preparation.classes`. Regression: float64 values.
Targets = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Preparation(BaseModel):
    """The description of a processed set.

    `features` are the raw columns in the order of the graph's inputs (`numeric` takes those that are not categorical,
    `categorical` the others). `outputs` name the columns of the output `prepared`; `sources[output]` are the raw
    features that it is made from. `derived` are the declarations `Name = expression` that are in the graph. `classes`
    are in the order of the target codes (for binary the second is the positive one), empty for regression; labels of
    class_type `boolean` are "false" and "true". `held_out_from` is the digest of the live model from which the rows in
    `__held_out__` were held out, "" without such a column. `delimiter` separated the cells of the table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    target: str
    classes: list[str]
    class_type: ClassType
    features: list[Feature]
    derived: list[str]
    outputs: list[str]
    sources: dict[str, list[str]]
    n_train: int
    n_validation: int
    n_test: int
    held_out_from: str = ""
    delimiter: str = ","


def load_meta(processed_dir: Path) -> Preparation:
    """Return the description of a processed set. Raises DataError DATA-30 if the set no longer exists."""
    try:
        return Preparation.model_validate_json((processed_dir / META_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        if is_of_disk(error):
            raise
        raise ProcessedDatasetGoneError(processed_dir) from error


def load_graph(processed_dir: Path) -> bytes:
    """Return the serialized graph raw columns -> `prepared`. Raises DataError DATA-30."""
    try:
        return (processed_dir / GRAPH_FILE).read_bytes()
    except OSError as error:
        if is_of_disk(error):
            raise
        raise ProcessedDatasetGoneError(processed_dir) from error


def load_train(processed_dir: Path) -> tuple[Floats, Targets, Mask]:
    """Return X [n, p] (finite, columns as in `outputs`), y [n], and the mask of the rows that are for validation only.

    Rows are in the order of the table. Undersampling is not applied here: train_model draws, with its seed, from the
    rows that are not for validation. Raises DataError DATA-30.
    """
    X, y, rest = _load(processed_dir, TRAIN_FILE)
    return X, y, rest[VALIDATION_COLUMN].to_numpy(dtype=np.bool_)


def load_test(processed_dir: Path) -> tuple[Floats, Targets]:
    """Return X [n, p] and y [n] of the test rows. Raises DataError DATA-30."""
    X, y, _ = _load(processed_dir, TEST_FILE)
    return X, y


def load_raw_test(processed_dir: Path) -> tuple[Floats, Texts, Targets]:
    """Return the test rows as the graph takes them: numeric [n, k], categorical [n, m], and y [n]; row i is row i of
    `load_test`. k or m may be 0 (the graph then has no such input). Raises DataError DATA-30.
    """
    frame = load_raw_test_frame(processed_dir)
    numeric, categorical = raw_inputs(load_meta(processed_dir).features, frame)
    return numeric, categorical, _targets(frame)


def load_raw_test_frame(processed_dir: Path) -> pd.DataFrame:
    """Return the test rows with every column of the table (also those that the new model drops), and `__target__`.

    For scoring an older model: `raw_inputs(manifest.features, frame)`. Raises DataError DATA-30.
    """
    try:
        frame: pd.DataFrame = pq.read_table(processed_dir / RAW_TEST_FILE, memory_map=False).to_pandas()
    except (OSError, ValueError) as error:
        if is_of_disk(error):
            raise
        raise ProcessedDatasetGoneError(processed_dir) from error
    return frame


def raw_inputs(features: list[Feature], frame: pd.DataFrame) -> tuple[Floats, Texts]:
    """Return the two inputs of a graph with these features: numeric float32 [n, k], NaN where missing; categorical str
    [n, m], "" where missing. A column that the frame lacks is missing in every row, as is a value that does not fit.
    """
    numeric = [feature.name for feature in features if not feature.is_text]
    categorical = [feature for feature in features if feature.is_text]
    numbers = np.full((len(frame), len(numeric)), np.nan, dtype=np.float32)
    texts = np.full((len(frame), len(categorical)), "", dtype=object)
    for i, name in enumerate(numeric):
        if name in frame:
            column = frame[name]
            is_numeric = column.dtype.kind in "fiub"
            numbers[:, i] = column if is_numeric else pd.to_numeric(column.astype(object), errors="coerce")
    for i, feature in enumerate(categorical):
        if feature.name in frame:
            texts[:, i] = _texts(frame[feature.name], feature.cells)
    return numbers, texts


def _texts(column: "pd.Series[Any]", cells: Cells) -> Texts:
    """Return the cells as the model reads them: those of an older model may be read in another way than the table is now."""
    codes, distinct = pd.factorize(column)
    return np.array([*(_text(value, cells) for value in distinct.tolist()), ""], dtype=object)[codes]


def _text(value: object, cells: Cells) -> str:
    # A whole number that was text before is written as such: "3", not "3.0".
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
    try:
        return cells.text(text)
    except ValueError:
        return ""


def _load(processed_dir: Path, name: str) -> tuple[Floats, Targets, pd.DataFrame]:
    """Return the prepared columns as one array, the target, and a frame of all columns that are not prepared ones."""
    outputs = load_meta(processed_dir).outputs
    try:
        table = pq.read_table(processed_dir / name, memory_map=False)
    except (OSError, ValueError) as error:
        if is_of_disk(error):
            raise
        raise ProcessedDatasetGoneError(processed_dir) from error
    X = np.empty((table.num_rows, len(outputs)), dtype=np.float32)
    for i, output in enumerate(outputs):
        X[:, i] = table.column(output).to_numpy()
    prepared = set(outputs)
    rest = table.select([column for column in table.column_names if column not in prepared]).to_pandas()
    return X, _targets(rest), rest


def _targets(frame: pd.DataFrame) -> Targets:
    values = frame[TARGET_COLUMN].to_numpy()
    return values.astype(np.float64) if values.dtype.kind == "f" else values.astype(np.int64)
