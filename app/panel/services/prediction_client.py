"""The prediction API as the panel calls it: typed responses, sync, one connection for each request."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from app.panel.services import http_client
from app.panel.services.protocol import ServiceName
from app.web.prediction_api import METRICS, READINESS, STATS, ApiRequest, predict_many
from pipeline.core.bundle import Scalar
from pipeline.core.prediction_api import Prediction, Readiness, Stats

TIMEOUT_S: Final = 5.0
T = TypeVar("T")


class ServiceUrls(Protocol):
    """The addresses of the services."""

    def url(self, name: ServiceName) -> str:
        """Return the base URL, without a trailing slash."""


class NoResponseError(Exception):
    """The API gave no response that can be used: it cannot be reached, refused, or wrote something else."""


class PredictionClient:
    """Each method raises NoResponseError, whose text says why, and nothing else for what network and API do."""

    def __init__(self, services: ServiceUrls, api_key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._services = services
        self._api_key = api_key
        self._timeout_s = timeout_s

    def readiness(self) -> Readiness:
        """Return which model the API serves, if any."""
        # 503 is how an API without a model says so.
        return self._send(READINESS, expected_statuses=(200, 503))

    def stats(self) -> Stats:
        """Return the counts of what the live model has answered."""
        return self._send(STATS)

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        return self._send(METRICS)

    def predict(self, records: Sequence[Mapping[str, Scalar]]) -> list[Prediction]:
        """Return one prediction for each record."""
        return self._send(predict_many(records))

    def _send(self, request: ApiRequest[T], expected_statuses: tuple[int, ...] = (200,)) -> T:
        headers = http_client.bearer_header(self._api_key)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        url = self._services.url("api") + request.path
        response = http_client.call(request.method, url, request.body, headers, self._timeout_s)
        if response.status == 0:
            raise NoResponseError(response.body)
        if response.status not in expected_statuses:
            raise NoResponseError(f"{request.path} returned {response.status}: {response.body[:200]}")
        try:
            return request.parse(response.body.encode())
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise NoResponseError(f"{request.path} returned an unexpected response: {reason}") from error
