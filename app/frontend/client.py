"""The prediction API as the app uses it: over connections that stay open, with its errors as problems of the app."""

from typing import Final, TypeVar

import httpx2
from pydantic import ValidationError

from app.frontend.problems import (
    ApiKeyRejectedError,
    ApiUnreachableError,
    InputRejectedError,
    UnexpectedApiResponseError,
)
from app.frontend.settings import Settings
from app.web.prediction_api import MANIFEST, ApiRequest, curve, explain, predict, predict_table, problem_members
from app.web.tls import pinned_context
from pipeline.core.manifest import Manifest, Scalar
from pipeline.core.prediction_api import LIVE_DATA_HEADER, Curve, Explanation, Prediction
from pipeline.core.problems import ProblemError

NO_MODEL: Final = "API-05"
TIMEOUT: Final = httpx2.Timeout(10, connect=2)


class NoModelYetError(Exception):
    """The API is up and there never was a model."""


T = TypeVar("T")


class PredictionApi:
    """One keep-alive client for all requests. Every method raises NoModelYetError, APP-01, -02, -03, -04, or the API's own
    problem where it cannot answer at the moment (503)."""

    def __init__(self, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = settings.api_url
        self._is_public = settings.is_public
        key = settings.bearer()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if key and settings.is_public:
            # Anybody can send rows to this app, and what comes with the key decides about runs and rollbacks.
            headers[LIVE_DATA_HEADER] = "no"
        # trust_env off: a proxy of the environment has no business between two processes of one machine.
        self._http = httpx2.AsyncClient(
            base_url=settings.api_url,
            headers=headers,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            verify=True if settings.api_tls_cert is None else pinned_context(settings.api_tls_cert),
        )
        self._manifest: tuple[bytes, Manifest] | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def manifest(self) -> Manifest:
        """Return the live model's manifest, without rows of the table in a public app; it is parsed once per model."""
        response = await self._send(MANIFEST)
        if self._manifest is None or self._manifest[0] != response.content:
            manifest = _parse(MANIFEST, response)
            self._manifest = (response.content, _without_rows(manifest) if self._is_public else manifest)
        return self._manifest[1]

    async def predict(self, record: dict[str, Scalar]) -> Prediction:
        """Return the model's prediction for one record."""
        return await self._call(predict(record))

    async def explain(self, record: dict[str, Scalar]) -> Explanation:
        """Return the contribution of each feature to the score of `record`."""
        return await self._call(explain(record))

    async def curve(self, record: dict[str, Scalar], feature: str) -> Curve:
        """Return the score of `record` over the values of `feature`."""
        return await self._call(curve(record, feature))

    async def table(self, rows: bytes) -> bytes:
        """Return a CSV table with predictions beside its rows."""
        return await self._call(predict_table(rows))

    async def _call(self, request: ApiRequest[T]) -> T:
        return _parse(request, await self._send(request))

    async def _send(self, request: ApiRequest[object]) -> httpx2.Response:
        try:
            response = await self._http.request(
                request.method, request.path, content=request.body, headers=request.headers
            )
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        return _check(response)

    def _unreachable(self, error: httpx2.TransportError) -> ApiUnreachableError:
        is_slow = isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout | httpx2.PoolTimeout)
        reason = "It did not answer in time" if is_slow else "It cannot be reached"
        return ApiUnreachableError(self._url, f"{reason} ({type(error).__name__})")


def _without_rows(manifest: Manifest) -> Manifest:
    """Return the manifest with typical values instead of rows of the table."""
    features = [feature.model_copy(update={"example": feature.typical}) for feature in manifest.features]
    return manifest.model_copy(update={"features": features, "golden": []})


def _parse(request: ApiRequest[T], response: httpx2.Response) -> T:
    try:
        return request.parse(response.content)
    except ValidationError as error:
        raise UnexpectedApiResponseError(f"{request.path}: {error.errors()[0]['msg']}.") from error


def _check(response: httpx2.Response) -> httpx2.Response:
    """Return the response if it is a success. Raises the error that it stands for otherwise."""
    if response.is_success:
        return response
    problem = problem_members(response.content)
    if response.status_code == 503:
        if problem.id in {"", NO_MODEL}:
            raise NoModelYetError
        # It is starting, its models are damaged, or it has no memory left: in its own words.
        raise ProblemError.restore(problem.model_dump(), status=503)
    if response.status_code in {401, 403}:
        raise ApiKeyRejectedError
    if response.status_code in {400, 413, 422}:
        raise InputRejectedError(problem.what, f"{problem.why} {problem.fix}".strip())
    raise UnexpectedApiResponseError(f"It returned {response.status_code}: {problem.what or 'no reason given'}.")
