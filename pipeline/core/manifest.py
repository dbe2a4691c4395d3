"""The manifest: everything that a server or a form needs to know of a model beside its graph.

Light: pydantic and stdlib only; no numpy, no onnx.
"""

import hashlib
import json
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.core.cells import PLAIN, Cells, Kind, Reading
from pipeline.core.params import Task

# Inputs and outputs of every model.onnx. An input is absent when the table has no such column.
NUMERIC_INPUT: Final = "numeric"  # float32 [n, number of numeric and boolean features], missing = NaN
CATEGORICAL_INPUT: Final = "categorical"  # string [n, number of categorical features, dates and texts], missing = ""
PROBABILITIES_OUTPUT: Final = "probabilities"  # float32 [n, n_classes], columns in the order of `classes`
VALUE_OUTPUT: Final = "value"  # float32 [n, 1], regression only
# How far a prediction may be from the one it must equal: the graph from scikit-learn's when it is exported, a golden row
# when the API loads the model and again over HTTP after a deployment. Probabilities; relative for large values.
PREDICTION_TOLERANCE: Final = 1e-5
PREPARED_OUTPUT: Final = "prepared"  # of the preparation, and input of the estimator: float32 [n, prepared columns]

UNDIGESTED: Final = frozenset({"digest", "version", "run_id", "created_at"})  # fields that differ between equal runs

Scalar = bool | int | float | str | None
ClassType = Literal["integer", "boolean", "number", "string"]  # of a class label in JSON


class Record(BaseModel):
    """What is stored of a model: nothing else is in it, and nothing of it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Histogram(Record):
    """Counts of training rows between `edges`: len(edges) == len(counts) + 1. Outliers count in the end bins."""

    edges: list[float]
    counts: list[int]


class Feature(Record):
    """One raw column that the model uses, in the order of the graph's inputs.

    `reading` is how its cells were read in training, and are read in every request. `min max median histogram` are None
    for categorical features, dates and texts; `categories` (most frequent first) and `category_counts` are empty for all but
    categorical ones; `words` are those that the model looks for in a text. `integer`: every training value was whole. `example`: the value of a real training row, None if it
    was missing there; of a text the `words` in it, of a date as `YYYY-MM-DDThh:mm:ss`. `missing_share` is in [0, 1].
    """

    name: str
    kind: Kind
    reading: Reading = PLAIN
    nullable: bool
    integer: bool = False
    unit: str = ""
    description: str = ""
    min: float | None = None
    max: float | None = None
    median: float | None = None
    low: float | None = None  # 1st percentile of training rows: a sensible end of a slider
    high: float | None = None  # 99th percentile
    missing_share: float = 0.0
    histogram: Histogram | None = None
    categories: list[str] = []
    category_counts: list[int] = []
    words: list[str] = []
    earliest: str = ""  # of dates, as `YYYY-MM-DDThh:mm:ss`
    middle: str = ""
    latest: str = ""
    example: Scalar = None

    @property
    def is_text(self) -> bool:
        """Return whether the feature is a column of the graph's `categorical` input, not of `numeric`."""
        return self.kind in {"categorical", "date", "text"}

    @property
    def is_counted(self) -> bool:
        """Return whether live rows are compared with those of training by their values: new dates and texts are always new."""
        return self.kind not in {"date", "text"}

    @property
    def cells(self) -> Cells:
        """Return what reads the cells of this column, as training did."""
        return Cells(self.kind, self.reading, self.words if self.kind == "text" else self.categories)

    def known_words(self, text: str) -> str:
        """Return those of a text's words that the model looks for, in their order."""
        known = frozenset(self.words)
        return " ".join(word for word in text.split() if word in known)

    @property
    def typical(self) -> Scalar:
        """Return a value that is typical of the column and says nothing of a single row; None where there is none."""
        if self.kind == "date":
            return self.middle or None
        if self.kind == "categorical":
            return self.categories[0] if self.categories else None
        if self.median is None:
            return None
        if self.kind == "boolean":
            return self.median >= 0.5
        return round(self.median) if self.integer else self.median


class Golden(Record):
    """One row and the answer expected for it. `probabilities` are in the order of `classes`; `value` is for regression."""

    record: dict[str, Scalar]
    probabilities: list[float] | None = None
    value: float | None = None


class Manifest(Record):
    """Everything about a model except its graph.

    `digest` is the identity of the model: sha256 over the graph and the fields that shape its answers, the same for
    two runs on equal data, seed, code and parameters. `version`, `run_id` and `created_at` are not part of it.
    `classes` are the class labels as in the table, in the order of the graph's output (for binary the second is the
    positive one); empty for regression. `class_type` is the JSON type of a label in answers.
    `threshold` is None unless binary. `score_histogram` counts test-row scores (probability of the positive class;
    largest probability for multiclass; value for regression).
    """

    format: Literal[1] = 1
    version: int
    run_id: str
    created_at: str  # ISO 8601, UTC
    digest: str
    model_sha256: str
    model_bytes: int
    task: Task
    target: str
    classes: list[str] = []
    class_type: ClassType = "string"
    threshold: float | None = None
    estimator: str
    hyperparameters: dict[str, Scalar]
    primary_metric: str
    metrics: dict[str, float]
    importances: dict[str, float]  # permutation importance per raw feature, in units of the primary metric
    features: list[Feature]
    derived_features: list[str] = []
    left_out: list[str] = []  # columns of the table that the model does not use; a record may hold them
    score_histogram: Histogram
    golden: list[Golden]
    seed: int
    n_train: int
    n_test: int
    test_share: float | None = None  # of the split; None in manifests of older versions
    delimiter: str = ","  # between the cells of the table; CSV in requests is taken with it, too
    data_digest: str
    code_digest: str
    params_digest: str
    versions: dict[str, str]

    @property
    def numeric(self) -> list[Feature]:
        """Return the features of the `numeric` input, in its column order."""
        return [f for f in self.features if not f.is_text]

    @property
    def categorical(self) -> list[Feature]:
        """Return the features of the `categorical` input, in its column order."""
        return [f for f in self.features if f.is_text]


def digest_of(manifest: Manifest) -> str:
    """Return the identity of a model: sha256 over the manifest fields, except those that differ between equal runs."""
    return digest_of_fields(manifest.model_dump(mode="json", exclude=set(UNDIGESTED)))


def digest_of_fields(fields: dict[str, object]) -> str:
    """Return the digest of these fields, in whatever order they come."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
