"""The model as MLflow loads it: raw columns by name in, predictions out. `mlflow.pyfunc` runs this file on its own.

It is copied into the model that MLflow stores and loaded wherever somebody calls `mlflow.pyfunc.load_model`, so it
imports nothing of this project. Nothing is pickled: beside it lie the graph, its manifest, and the file that reads cells
here as in training and in the API.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime as ort
import pandas as pd


class PipelineModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow comes without types here
    """Predicts for a DataFrame with the raw columns; an absent column or value counts as missing.

    Names may differ from those of the table in case and blanks. Raises ValueError for a frame without any known column, and
    for a cell that is not of its column's kind.

    The result has the column `prediction` and, for classes, one `probability_<class>` each.
    """

    def load_context(self, context: Any) -> None:  # noqa: ANN401  # mlflow's own type
        """Load the graph, its manifest and what reads its cells."""
        self._manifest = json.loads(Path(context.artifacts["manifest"]).read_text("utf-8"))
        self._reading = _load(Path(context.artifacts["cells"]))
        self._cells = {feature["name"]: self._cells_of(feature) for feature in self._manifest["features"]}
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(
            Path(context.artifacts["model"]).read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ANN401, ARG002
        """Return one row of predictions for each row of `model_input`, with its index."""
        feed = self._feed(model_input)
        output = self._session.run(None, feed)[0]
        if self._manifest["task"] == "regression":
            return pd.DataFrame({"prediction": output[:, 0].astype(np.float64)}, index=model_input.index)
        labels = self._manifest["classes"]
        if self._manifest["task"] == "binary":
            chosen = (output[:, 1] >= self._manifest["threshold"]).astype(np.int64)
        else:
            chosen = output.argmax(axis=1)
        columns = {"prediction": [self._label(labels[k]) for k in chosen]}
        columns |= {f"probability_{label}": output[:, k].astype(np.float64) for k, label in enumerate(labels)}
        return pd.DataFrame(columns, index=model_input.index)

    def _cells_of(self, feature: dict[str, Any]) -> Any:  # noqa: ANN401  # of a module that is loaded by its path
        known = feature.get("reading", {})
        reading = self._reading.Reading(**{key: tuple(v) if isinstance(v, list) else v for key, v in known.items()})
        return self._reading.Cells(feature["kind"], reading, feature["categories"])

    def _feed(self, frame: pd.DataFrame) -> dict[str, Any]:
        matched = self._reading.match_names(map(str, frame.columns), self._cells)
        place = {name: i for i, column in enumerate(frame.columns) if (name := matched.get(str(column)))}
        if not place:
            raise ValueError(f"No column is a feature of the model: {', '.join(map(str, frame.columns))[:200]}.")
        missing = pd.Series(None, index=frame.index, dtype=object)
        numbers: list[Any] = []
        texts: list[Any] = []
        for name, cells in self._cells.items():
            column = frame.iloc[:, place[name]] if name in place else missing
            if column.dtype.kind in "fiub" and not cells.is_text:
                numbers.append(column.to_numpy(np.float32))
                continue
            (texts if cells.is_text else numbers).append([_value(value, cells, name) for value in column])
        feed: dict[str, Any] = {}
        if numbers:
            feed["numeric"] = np.array(numbers, dtype=np.float32).T.reshape(len(frame), len(numbers))
        if texts:
            feed["categorical"] = np.array(texts, dtype=object).T.reshape(len(frame), len(texts))
        return feed

    def _label(self, label: str) -> Any:  # noqa: ANN401  # int, float, bool or str, as in the table
        kind = self._manifest["class_type"]
        if kind == "boolean":
            return label == "true"
        return int(label) if kind == "integer" else float(label) if kind == "number" else label


def _value(value: Any, cells: Any, name: str) -> Any:  # noqa: ANN401  # whatever a DataFrame holds
    """Return a number, NaN where missing, or a text, "" where missing."""
    if pd.isna(value):
        return "" if cells.is_text else np.nan
    if isinstance(value, str) or cells.is_text:
        try:
            return cells.text(_text(value)) if cells.is_text else cells.number(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return float(value)


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, pd.Timestamp):
        return str(value.isoformat(timespec="seconds"))
    # A whole number that is a category is written as such: "3", not "3.0".
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _load(path: Path) -> Any:  # noqa: ANN401  # a module
    spec = importlib.util.spec_from_file_location(f"cells_{path.stat().st_ino}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


mlflow.models.set_model(PipelineModel())
