"""ONNX graphs in memory and the rows that they take."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pipeline.core.manifest import CATEGORICAL_INPUT, NUMERIC_INPUT, PREPARED_OUTPUT

# Of rows with texts: the graph holds each text as wide as the longest one, 16 KB of 500 words.
PART_ROWS: Final = 8_000

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class RawRows:
    """Rows as a graph takes them: numeric float32 [n, k] (missing NaN), categorical str [n, m] (missing "")."""

    numeric: Floats
    categorical: Texts

    def __len__(self) -> int:
        return len(self.numeric)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "RawRows":
        """Return the rows at these positions, in that order."""
        return RawRows(self.numeric[rows], self.categorical[rows])


def new_session(model: bytes) -> ort.InferenceSession:
    """Return a session over a model's bytes: one thread, so that the same rows give the same bits on any machine.

    Raises what onnxruntime raises for bytes that are not a model; its classes share no public base.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Graph:
    """A graph that is loaded and ready to run."""

    def __init__(self, model: bytes) -> None:
        self._session = new_session(model)
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name

    def run(self, rows: RawRows) -> Floats:
        """Return the graph's output for raw rows, float32 [n, width]."""
        if CATEGORICAL_INPUT in self._inputs and len(rows) > PART_ROWS:
            parts = [slice(start, start + PART_ROWS) for start in range(0, len(rows), PART_ROWS)]
            return np.concatenate([self._run_part(rows.take(part)) for part in parts])
        return self._run_part(rows)

    def _run_part(self, rows: RawRows) -> Floats:
        feed: dict[str, npt.NDArray[np.generic]] = {}
        if NUMERIC_INPUT in self._inputs:
            feed[NUMERIC_INPUT] = np.ascontiguousarray(rows.numeric, dtype=np.float32)
        if CATEGORICAL_INPUT in self._inputs:
            feed[CATEGORICAL_INPUT] = rows.categorical
        return self._run(feed)

    def run_prepared(self, X: Floats) -> Floats:
        """Return the output of an estimator's graph for prepared rows, float32 [n, width]."""
        return self._run({PREPARED_OUTPUT: X})

    def _run(self, feed: dict[str, npt.NDArray[np.generic]]) -> Floats:
        output: Floats = self._session.run([self._output], feed)[0]
        return output
