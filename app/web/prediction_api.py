"""The requests that the prediction API takes, each with the way to read its response: the only place with its paths.

How a request travels is up to the caller: the panel sends it from worker threads with the standard library, the
prediction app from its event loop over connections that stay open.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.core.manifest import Manifest, Scalar
from pipeline.core.prediction_api import (
    LIVE_DATA_HEADER,
    Curve,
    Explanation,
    Prediction,
    ProblemMembers,
    Readiness,
    Stats,
)

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest(Generic[T_co]):
    """One request. `parse` reads the body of its response; it raises ValueError for a body of any other shape.

    `is_live`: the rows in it are live data, which count in the statistics of the API.
    """

    path: str
    parse: Callable[[bytes], T_co]
    method: Literal["GET", "POST"] = "GET"
    body: bytes | None = None
    content_type: str = "application/json"
    is_live: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that go with the body."""
        stated = {} if self.body is None else {"Content-Type": self.content_type}
        return stated if self.is_live else {**stated, LIVE_DATA_HEADER: "no"}


_PREDICTIONS: Final = TypeAdapter(list[Prediction])

READINESS: Final = ApiRequest(path="/readyz", parse=Readiness.model_validate_json)
STATS: Final = ApiRequest(path="/stats", parse=Stats.model_validate_json)
MANIFEST: Final = ApiRequest(path="/model", parse=Manifest.model_validate_json)
METRICS: Final = ApiRequest(path="/metrics", parse=bytes.decode)


def predict(record: Mapping[str, Scalar]) -> ApiRequest[Prediction]:
    """Return the request for the prediction of one record."""
    return _post("/predict", record, Prediction.model_validate_json)


def predict_many(records: Sequence[Mapping[str, Scalar]]) -> ApiRequest[list[Prediction]]:
    """Return the request for the predictions of several records."""
    return _post("/predict", records, _PREDICTIONS.validate_json)


def aside(request: ApiRequest[T_co]) -> ApiRequest[T_co]:
    """Return `request`, one of the two for predictions above, with its records marked as no live data."""
    return replace(request, is_live=False)


def predict_table(rows: bytes) -> ApiRequest[bytes]:
    """Return the request for a CSV table with predictions beside the rows of a CSV table in UTF-8."""
    return ApiRequest(method="POST", path="/predict/csv", body=rows, content_type="text/csv", parse=bytes)


def explain(record: Mapping[str, Scalar]) -> ApiRequest[Explanation]:
    """Return the request for what each feature did to the score of `record`."""
    return _post("/explain", record, Explanation.model_validate_json)


def curve(record: Mapping[str, Scalar], feature: str) -> ApiRequest[Curve]:
    """Return the request for the score of `record` over the values of `feature`."""
    return _post("/curve", {"record": record, "feature": feature}, Curve.model_validate_json)


def problem_members(body: bytes) -> ProblemMembers:
    """Return the problem in the body of an error response; its members are "" where the body holds none."""
    try:
        return ProblemMembers.model_validate_json(body)
    except ValidationError:
        return ProblemMembers()


def _post(path: str, content: object, parse: Callable[[bytes], T_co]) -> ApiRequest[T_co]:
    # Names that are not ASCII stay as they are.
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return ApiRequest(method="POST", path=path, body=body, parse=parse)
