"""A loaded model: rows in, scores out. Immutable; the API holds one at a time and swaps it by one assignment."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from app.prediction.bundle_problems import GoldenRowsError, ModelLoadError
from pipeline.core.manifest import CATEGORICAL_INPUT, NUMERIC_INPUT, PREDICTION_TOLERANCE, Feature, Manifest, Scalar
from pipeline.onnx.session import Floats, Texts, new_session

# From this many rows on, all CPUs share the work; below, splitting it costs more than it saves.
LARGE_BATCH_ROWS: Final = 2_000
# In parts of at most this many rows, so that none waits long for the last one. onnxruntime's own threads
# took a fifth longer for 100,000 rows, and needed a second session.
PART_ROWS: Final = 8_000
# What onnxruntime says, by its allocator or by the one of C++.
ALLOCATION_FAILED: Final = re.compile("failed to allocate|bad_alloc|bad allocation", re.IGNORECASE)
_PROCESSORS: Final = os.cpu_count() or 1
_processors = ThreadPoolExecutor(_PROCESSORS, "score")


def _load_session(model: bytes) -> ort.InferenceSession:
    """Return an onnxruntime session of one thread over bytes in memory. Raises ModelLoadError MODEL-03."""
    try:
        return new_session(model)
    except Exception as error:  # onnxruntime's own classes share no public base
        raise ModelLoadError(str(error).splitlines()[0][:300]) from error


class Model:
    """One bundle, ready to score.

    `labels[i]` is the JSON value of class i. Numeric and boolean features are columns of one float32 array (missing
    NaN), categorical ones columns of one array of str (missing ""), both in the order of the manifest.
    """

    def __init__(self, manifest: Manifest, model: bytes, manifest_json: bytes) -> None:
        self.manifest = manifest
        self.manifest_json = manifest_json
        self.version = manifest.version
        self.task = manifest.task
        self.threshold = manifest.threshold
        self.decision_threshold = 0.5 if manifest.threshold is None else manifest.threshold
        self.classes = manifest.classes
        self.labels = [label_value(manifest, label) for label in manifest.classes]
        self.numeric = manifest.numeric
        self.categorical = manifest.categorical
        self.numeric_at = {feature.name: i for i, feature in enumerate(self.numeric)}
        self.categorical_at = {feature.name: i for i, feature in enumerate(self.categorical)}
        self.left_out = frozenset(manifest.left_out)
        # What reads the cells of each feature, as training did.
        self.cells = {feature.name: feature.cells for feature in manifest.features}
        self.text_cells = [self.cells[feature.name] for feature in self.categorical]
        self.names = [feature.name for feature in manifest.features]
        self._session = _load_session(model)
        self._outputs = [self._session.get_outputs()[0].name]
        inputs = {node.name for node in self._session.get_inputs()}
        self._takes_numeric = NUMERIC_INPUT in inputs
        self._takes_categorical = CATEGORICAL_INPUT in inputs
        if self._takes_numeric != bool(self.numeric) or self._takes_categorical != bool(self.categorical):
            raise ModelLoadError(
                "The graph and the manifest have different inputs.", what="The model does not match its manifest."
            )

    def score(self, numeric: Floats, categorical: Texts | None) -> Floats:
        """Return probabilities [n, n_classes], or values [n, 1] for regression."""
        n = len(numeric)
        if n < LARGE_BATCH_ROWS:
            return self.run(self._feed(numeric, categorical))
        step = min(PART_ROWS, -(-n // _PROCESSORS))
        parts = [slice(at, at + step) for at in range(0, n, step)]
        feeds = [self._feed(numeric[part], None if categorical is None else categorical[part]) for part in parts]
        return np.concatenate(list(_processors.map(self.run, feeds)))

    def run(self, feed: dict[str, Any]) -> Floats:
        """Return the scores of arrays that are ready, without copies or checks. Raises MemoryError where there is too little."""
        try:
            output: Floats = self._session.run(self._outputs, feed)[0]
        except Exception as error:  # onnxruntime's own classes share no public base
            if ALLOCATION_FAILED.search(str(error)):
                raise MemoryError from error
            raise
        return output

    def bind_single_row(self) -> Callable[[tuple[float | None, ...]], list[float]] | None:
        """Return a function that scores one row of numbers (missing None) in arrays that are bound once; not thread-safe.

        A third faster than `run` with new arrays. None for a model with categorical features: strings cannot be bound.
        """
        if not self._takes_numeric or self._takes_categorical:
            return None
        numeric, _ = self.empty(1)
        scores = np.empty_like(self.score(numeric, None))
        bound = self._session.io_binding()
        bound.bind_ortvalue_input(NUMERIC_INPUT, ort.OrtValue.ortvalue_from_numpy(numeric))
        bound.bind_ortvalue_output(self._outputs[0], ort.OrtValue.ortvalue_from_numpy(scores))
        run = self._session.run_with_iobinding

        def score_row(values: tuple[float | None, ...]) -> list[float]:
            numeric[0] = values
            run(bound)
            row_scores: list[float] = scores[0].tolist()
            return row_scores

        return score_row

    def _feed(self, numeric: Floats, categorical: Texts | None) -> dict[str, Any]:
        feed: dict[str, Any] = {}
        if self._takes_numeric:
            feed[NUMERIC_INPUT] = numeric
        if self._takes_categorical:
            feed[CATEGORICAL_INPUT] = categorical
        return feed

    def empty(self, n: int) -> tuple[Floats, Texts | None]:
        """Return arrays for n rows with everything missing."""
        numeric = np.full((n, len(self.numeric)), np.nan, dtype=np.float32)
        if not self.categorical:
            return numeric, None
        return numeric, np.full((n, len(self.categorical)), "", dtype=object)

    def rows(self, records: list[dict[str, Scalar]]) -> tuple[Floats, Texts | None]:
        """Return arrays for records that are known to be valid, such as golden rows."""
        numeric, categorical = self.empty(len(records))
        for i, record in enumerate(records):
            for name, value in record.items():
                if value is None:
                    continue
                if name in self.numeric_at:
                    numeric[i, self.numeric_at[name]] = float(value)
                elif categorical is not None:
                    categorical[i, self.categorical_at[name]] = self.cells[name].text(str(value))
        return numeric, categorical

    def target_score(self, scores: Floats) -> Floats:
        """Return the one score per row that histograms and curves use, as in `score_histogram`."""
        if self.task == "regression":
            return scores[:, 0]
        return scores[:, 1] if self.task == "binary" else scores.max(axis=1)

    def warm_up(self) -> None:
        """Score one row, so that the first request does not pay for allocations."""
        self.score(*self.rows([row.record for row in self.manifest.golden[:1]] or [{}]))

    def check_golden(self) -> None:
        """Raise GoldenRowsError MODEL-04 unless every golden row gets the prediction that the manifest names."""
        golden = self.manifest.golden
        if not golden:
            raise GoldenRowsError("The bundle has no golden rows.", why="Its predictions cannot be checked.")
        scores = self.score(*self.rows([row.record for row in golden]))
        width = 1 if self.task == "regression" else len(self.labels)
        if scores.shape != (len(golden), width) or not np.isfinite(scores).all():
            raise GoldenRowsError("The model returned invalid output (wrong shape, NaN or infinite).")
        for row, predicted in zip(golden, scores, strict=True):
            expected = [row.value] if self.task == "regression" else row.probabilities
            if expected is None or any(value is None for value in expected) or len(expected) != width:
                raise GoldenRowsError("A golden row has no expected prediction.")
            size = max(1.0, *(abs(float(value)) for value in expected if value is not None))
            if np.abs(predicted - np.array(expected, dtype=np.float64)).max() > PREDICTION_TOLERANCE * size:
                raise GoldenRowsError(
                    "The model does not reproduce the golden rows.", why="It is not the model that was trained."
                )


def label_value(manifest: Manifest, label: str) -> Scalar:
    """Return a class label as a JSON value."""
    if manifest.class_type == "integer":
        return int(label)
    if manifest.class_type == "number":
        return float(label)
    if manifest.class_type == "boolean":
        return label == "true"
    return label


def example_record(features: list[Feature]) -> dict[str, Scalar]:
    """Return a record that works as a request: a typical value of each feature, so that no row of the table is told."""
    return {feature.name: feature.typical for feature in features}
