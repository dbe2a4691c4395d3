"""The prediction API as the app uses it: the only place that knows its paths and the shapes of its answers."""

import json
from typing import Any, Final, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from app.frontend.problems import (
    ApiKeyRejectedError,
    ApiUnreachableError,
    InputRejectedError,
    UnexpectedApiResponseError,
)
from app.frontend.settings import Settings
from pipeline.core.bundle import Manifest, Scalar

TIMEOUT: Final = httpx2.Timeout(10, connect=2)


class NoModelYetError(Exception):
    """The API is up and has nothing to serve."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


_Shape = TypeVar("_Shape", bound=_Answer)


class Prediction(_Answer):
    """The answer to one record. `probabilities` is by class label and empty for regression."""

    prediction: bool | int | float | str
    probabilities: dict[str, float] = {}
    threshold: float | None = None
    model_version: int
    request_id: str = ""
    imputed: list[str] = []


class Contribution(_Answer):
    """How much one feature moved the score away from that of the `typical` value, in units of the score."""

    feature: str
    typical: Scalar = None
    contribution: float


class Explanation(_Answer):
    """Why the score is what it is: it starts at `base` and the contributions lead to `score`."""

    base: float
    score: float
    contributions: list[Contribution]
    model_version: int


class CurvePoint(_Answer):
    """A value of the feature and the score that the row would have with it."""

    value: Scalar
    score: float


class Curve(_Answer):
    """The score over one feature, everything else as in the row; numbers in ascending order."""

    feature: str
    points: list[CurvePoint]
    model_version: int


class PredictionApi:
    """One keep-alive client for all requests. Every method raises NoModelYetError or ProblemError APP-01, -02, -03."""

    def __init__(self, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = settings.api_url
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        # trust_env off: a proxy of the environment has no business between two processes of one machine.
        self._http = httpx2.AsyncClient(
            base_url=settings.api_url, headers=headers, timeout=TIMEOUT, transport=transport, trust_env=False
        )
        self._manifest: tuple[bytes, Manifest] | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def manifest(self) -> Manifest:
        """The live model's manifest; parsed once per model."""
        response = await self._send("GET", "/model")
        if self._manifest is None or self._manifest[0] != response.content:
            try:
                self._manifest = (response.content, Manifest.model_validate_json(response.content))
            except ValidationError as error:
                raise UnexpectedApiResponseError(
                    f"Its description of the model is not one: {error.errors()[0]['msg']}."
                ) from error
        return self._manifest[1]

    async def predict(self, record: dict[str, Scalar]) -> Prediction:
        """The model's answer to one record."""
        return await self._post("/predict", record, Prediction)

    async def explain(self, record: dict[str, Scalar]) -> Explanation:
        """What each feature did to the score of `record`."""
        return await self._post("/explain", record, Explanation)

    async def curve(self, record: dict[str, Scalar], feature: str) -> Curve:
        """The score of `record` over all values of `feature`."""
        return await self._post("/curve", {"record": record, "feature": feature}, Curve)

    async def table(self, rows: bytes) -> bytes:
        """A CSV table in, the same table with predictions out."""
        return (await self._send("POST", "/predict/csv", rows, "text/csv")).content

    async def _post(self, path: str, body: object, shape: type[_Shape]) -> _Shape:
        # Not httpx's json=: NaN cannot occur, and non-ASCII names stay as they are.
        content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        response = await self._send("POST", path, content)
        try:
            return shape.model_validate_json(response.content)
        except ValidationError as error:
            raise UnexpectedApiResponseError(f"{path}: {error.errors()[0]['msg']}.") from error

    async def _send(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> httpx2.Response:
        headers = {} if body is None else {"Content-Type": kind}
        try:
            response = await self._http.request(method, path, content=body, headers=headers)
        except httpx2.TransportError as error:
            raise self._down(error) from error
        return _check(response)

    def _down(self, error: httpx2.TransportError) -> ApiUnreachableError:
        is_slow = isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout | httpx2.PoolTimeout)
        reason = "It did not answer in time" if is_slow else "It cannot be reached"
        return ApiUnreachableError(self._url, f"{reason} ({type(error).__name__})")


def _check(response: httpx2.Response) -> httpx2.Response:
    """The response if it is an answer; otherwise the error that says why it is not."""
    if response.is_success:
        return response
    problem = _problem(response)
    if response.status_code == 503:
        raise NoModelYetError
    if response.status_code in {401, 403}:
        raise ApiKeyRejectedError
    if response.status_code in {400, 413, 422}:
        raise InputRejectedError(
            str(problem.get("what") or problem.get("title") or ""),
            " ".join(str(problem[key]) for key in ("why", "fix") if problem.get(key)),
        )
    raise UnexpectedApiResponseError(
        f"It answered {response.status_code}: {problem.get('what') or problem.get('title') or 'no reason'}."
    )


def _problem(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
