"""The prediction API as the panel calls it: typed responses, sync, one connection for each request."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from app.panel.services import http_client
from app.panel.services.protocol import ServiceName
from app.web.prediction_api import METRICS, READINESS, STATS, ApiRequest, aside, predict, predict_many
from pipeline.core.manifest import Scalar
from pipeline.core.prediction_api import Prediction, Readiness, Stats, processor_s

TIMEOUT_S: Final = 5.0
T = TypeVar("T")


class ServiceUrls(Protocol):
    """The addresses of the services."""

    def url(self, name: ServiceName) -> str:
        """Return the base URL, without a trailing slash."""


class NoResponseError(Exception):
    """The API gave no response that can be used: it cannot be reached, refused, or wrote something else.

    `status` is that of its answer, 0 for none; `is_unreachable`: nothing listens at its address.
    """

    def __init__(self, reason: str, *, status: int = 0, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.is_unreachable = is_unreachable


class PredictionClient:
    """Each method raises NoResponseError, whose text says why, and nothing else for what network and API do."""

    def __init__(
        self,
        services: ServiceUrls,
        api_key: str = "",
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._services = services
        self._api_key = api_key
        self.timeout_s = timeout_s

    @property
    def has_key(self) -> bool:
        """Return True if the API answers only those who know its key: what it counts is not what anybody sends."""
        return bool(self._api_key)

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
        """Return one prediction for each record. They do not count as live data."""
        return self._send(aside(predict_many(records)))

    def timed(self, record: Mapping[str, Scalar], timeout_s: float) -> tuple[Prediction, float | None]:
        """Return the prediction for a record, which does not count as live data, and the seconds of processor time that
        it took; None where the API does not say."""
        request = aside(predict(record))
        response = self._call(request, (200,), timeout_s)
        return _parsed(request, response), processor_s(response.headers.get("server-timing", ""))

    def _send(self, request: ApiRequest[T], expected_statuses: tuple[int, ...] = (200,)) -> T:
        return _parsed(request, self._call(request, expected_statuses, self.timeout_s))

    def _call(
        self, request: ApiRequest[object], expected_statuses: tuple[int, ...], timeout_s: float
    ) -> http_client.Response:
        headers = {**http_client.bearer_header(self._api_key), **request.headers}
        url = self._services.url("api") + request.path
        response = http_client.call(request.method, url, request.body, headers, timeout_s, tls=self._tls)
        if response.status == 0:
            raise NoResponseError(response.body, is_unreachable=response.is_unreachable)
        if response.status not in expected_statuses:
            reason = f"{request.path} returned {response.status}: {response.body[:200]}"
            raise NoResponseError(reason, status=response.status)
        return response


def _parsed(request: ApiRequest[T], response: http_client.Response) -> T:
    try:
        return request.parse(response.body.encode())
    except ValueError as error:
        reason = f"{request.path} returned an unexpected response: {str(error).splitlines()[0]}"
        raise NoResponseError(reason, status=response.status) from error
