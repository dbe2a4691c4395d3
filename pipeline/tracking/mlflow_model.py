"""The model as MLflow loads it: raw columns by name in, predictions out. `mlflow.pyfunc` runs this file on its own.

It is copied into the model that MLflow stores and loaded wherever somebody calls `mlflow.pyfunc.load_model`, so it
imports nothing of this project. Nothing is pickled: beside it lie the graph and its manifest.
"""

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime as ort
import pandas as pd

THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
BOOLEANS = {"true": True, "false": False, "yes": True, "no": False}


class PipelineModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow comes without types here
    """Predicts for a DataFrame with the raw columns; an absent column or value counts as missing.

    The result has the column `prediction` and, for classes, one `probability_<class>` each.
    """

    def load_context(self, context: Any) -> None:  # noqa: ANN401  # mlflow's own type
        """Load the graph and its manifest."""
        self._manifest = json.loads(Path(context.artifacts["manifest"]).read_text("utf-8"))
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

    def _feed(self, frame: pd.DataFrame) -> dict[str, Any]:
        features = self._manifest["features"]
        numeric = [(f["name"], f["kind"] == "boolean") for f in features if f["kind"] != "categorical"]
        words = [f["name"] for f in features if f["kind"] == "categorical"]
        missing = pd.Series(np.nan, index=frame.index)
        feed: dict[str, Any] = {}
        if numeric:
            columns = [_numbers(frame.get(name, missing), boolean) for name, boolean in numeric]
            feed["numeric"] = np.column_stack([c.to_numpy(np.float32, na_value=np.nan) for c in columns])
        if words:
            texts = [[_text(v) for v in frame.get(name, missing)] for name in words]
            feed["categorical"] = np.array(texts, dtype=object).T.reshape(len(frame), len(words))
        return feed

    def _label(self, label: str) -> Any:  # noqa: ANN401  # int, float, bool or str, as in the table
        kind = self._manifest["class_type"]
        if kind == "boolean":
            return label == "true"
        return int(label) if kind == "integer" else float(label) if kind == "number" else label


def _numbers(column: "pd.Series[Any]", boolean: bool) -> "pd.Series[Any]":
    if column.dtype.kind not in "biuf":
        column = column.map(lambda value: _number(value, boolean) if isinstance(value, str) else value)
    return pd.to_numeric(column, errors="coerce")


def _number(value: str, boolean: bool) -> Any:  # noqa: ANN401  # a bool, or a text that pandas reads as a number
    """Return the text as training reads it: 1,234.5 and 5% are numbers, true and yes are booleans where booleans are expected."""
    text = value.strip().removesuffix("%").rstrip()
    if boolean and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    return text.replace(",", "") if THOUSANDS.fullmatch(text) else text


def _text(value: Any) -> str:  # noqa: ANN401  # whatever a DataFrame holds
    return "" if pd.isna(value) else str(value).strip()


mlflow.models.set_model(PipelineModel())
