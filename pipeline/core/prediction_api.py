"""The responses of the prediction API: written by the API, read by the panel and the prediction app.

Readers ignore members that they do not know, so that an API of a newer version can be read. The manifest, which
`GET /model` answers with, is `pipeline.core.manifest.Manifest`.
"""

import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.core.manifest import Scalar

# `X-Live-Data: no` with a request for predictions: its rows do not count, neither as live data nor as predicted rows, and
# the response of POST /predict says in `Server-Timing` for how many milliseconds the processor worked on them.
LIVE_DATA_HEADER: Final = "X-Live-Data"
PROCESSOR_METRIC: Final = "processor"
_PROCESSOR_MS: Final = re.compile(rf"{PROCESSOR_METRIC};dur=([0-9]+(?:\.[0-9]+)?)")


def processor_s(server_timing: str) -> float | None:
    """Return the seconds of processor time in a `Server-Timing` header; None where it has none."""
    match = _PROCESSOR_MS.fullmatch(server_timing)
    return float(match[1]) / 1000 if match else None


class _Response(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, populate_by_name=True, protected_namespaces=())


class ProblemMembers(_Response):
    """A problem as `ProblemError.as_dict` writes it."""

    id: str = ""
    what: str = ""
    why: str = ""
    fix: str = ""
    command: str = ""
    retryable: bool = False


class Readiness(_Response):
    """`GET /readyz`: 200 with a model, 503 without one.

    `version` and `digest` are those of the live model, `loaded_at` (ISO 8601, UTC) when it went live. `reload_failed`
    counts the bundles that could not be loaded since the API started; `problem` is why the one that is wanted cannot be:
    version `wanted`, which the pointer names, None where it names none.
    """

    ready: bool
    version: int | None
    digest: str | None
    loaded_at: str | None
    reload_failed: int
    wanted: int | None = None
    problem: ProblemMembers | None


class NumericCounts(_Response):
    """Live rows of a numeric or boolean feature in the bins of the training data.

    Values outside the bins count in the end bins, as in training, and in `out_of_range` as well.
    """

    counts: list[int]
    missing: int
    out_of_range: int


class CategoryCounts(_Response):
    """Live rows of a categorical feature by category of the training data; `unseen` counts all other categories."""

    counts: list[int]
    missing: int
    unseen: int


class ScoreCounts(_Response):
    """Scores of live rows in the bins of the manifest's score histogram."""

    counts: list[int]


class Stats(_Response):
    """`GET /stats`: counts of the `n` rows that the live model has answered `since` (ISO 8601, UTC) it went live."""

    version: int
    digest: str
    since: str
    n: int
    features: dict[str, NumericCounts | CategoryCounts]
    score: ScoreCounts


class Prediction(_Response):
    """`POST /predict`: the answer to one record; a list of them for a list of records.

    `probabilities` are by class label, `probability` is that of the positive class (binary) or of the predicted one
    (multiclass); both are absent for regression, `threshold` is absent unless binary. `imputed` names the features
    that were missing in the record, `unseen` those with a category that training has not seen, `matched` the features for
    which names were taken that were not sent as they are.
    """

    prediction: bool | int | float | str
    probability: float | None = None
    probabilities: dict[str, float] = {}
    threshold: float | None = None
    model_version: int
    request_id: str = ""
    imputed: list[str] = []
    unseen: list[str] = []
    matched: dict[str, str] = {}


class Contribution(_Response):
    """Contribution of one feature: how far it moves the score from that of its `typical` value, in score units."""

    feature: str
    value: Scalar = None
    typical: Scalar = None
    contribution: float


class Explanation(_Response):
    """`POST /explain`: the score starts at `base`, and the contributions, largest first, add up to `score`.

    `class_label` (JSON: `class`) is the class that is explained; absent unless multiclass.
    """

    base: float
    score: float
    class_label: Scalar = Field(default=None, validation_alias="class", serialization_alias="class")
    contributions: list[Contribution]
    method: Literal["exact", "sampled"] = "exact"
    model_version: int
    request_id: str = ""


class CurvePoint(_Response):
    """A value of the feature, and the score and prediction that the record would have with it."""

    value: Scalar
    score: float
    prediction: Scalar = None


class Curve(_Response):
    """`POST /curve`: the score over the values of one feature, all else as in the record; numbers in ascending order.

    `class_label` (JSON: `class`) is the class whose score it is; absent unless multiclass.
    """

    feature: str
    class_label: Scalar = Field(default=None, validation_alias="class", serialization_alias="class")
    points: list[CurvePoint]
    model_version: int
    request_id: str = ""
