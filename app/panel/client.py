"""A client of the panel's JSON API, and of a run's log, which survives lost connections."""

import json
import time
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import httpx2 as httpx

from app.panel.problems import NotThePanelError, PanelUnreachableError
from app.panel.settings import Settings
from app.panel.startup import CLI_TOKEN_FILE
from app.web.tls import pinned_context
from pipeline.core.problems import ProblemError

TIMEOUT_S: Final = 10.0
SLOW_S: Final = 120.0  # a promotion returns when the prediction API serves the version
RECONNECT_S: Final = 0.5
MAX_SILENCE_S: Final = 60.0  # the stream pings every 15 s


class PanelClient:
    """An authenticated client. Raises ProblemError: the panel's, or PanelUnreachableError where it does not respond."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self.url = settings.panel_url
        self._client = httpx.Client(
            base_url=self.url,
            auth=partial(_with_token, settings),
            timeout=TIMEOUT_S,
            transport=transport,
            verify=True if settings.tls_cert is None else pinned_context(settings.tls_cert),
            trust_env=False,  # a proxy of the environment must not get the token
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """Return the JSON of `path`."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: object = None, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Return the JSON that answers a POST of `body` to `path`."""
        return self._call("POST", path, json=body, timeout=timeout_s)

    def send(self, method: str, path: str, body: object = None) -> None:
        """Send `body` to `path` with another method, where the answer says no more than that it is done."""
        self._send(method, path, json=body)

    def lines(self, run_id: str, after: int, limit: int = 1000) -> list[dict[str, Any]]:
        """Return lines of a run's log with a seq greater than `after`, at most `limit`."""
        response = self._send("GET", f"/api/v1/runs/{run_id}/log", params={"after": after, "limit": limit})
        return [_object(line, response.status_code) for line in response.text.split("\n") if line]

    def follow(self, run_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the lines of a run's log after seq `after` until it ends; the last item is `{"seq", "state"}`.

        A lost connection is resumed after the last line, so that nothing is missing and nothing comes twice.
        """
        while True:
            try:
                timeout = httpx.Timeout(TIMEOUT_S, read=MAX_SILENCE_S)
                path = f"/api/v1/runs/{run_id}/log/stream"
                with self._client.stream("GET", path, params={"after": after}, timeout=timeout) as response:
                    if response.status_code != httpx.codes.OK:
                        response.read()
                        raise _problem(response)
                    for kind, data in _events(response.iter_lines()):
                        if kind == "end":
                            yield data
                            return
                        for line in data.get("lines", ()):
                            after = line["seq"]
                            yield line
            except httpx.ConnectError as error:
                raise PanelUnreachableError(self.url, error) from error
            except httpx.TransportError:
                pass
            time.sleep(RECONNECT_S)

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - passed to httpx
        response = self._send(method, path, **more)
        return _object(response.text, response.status_code)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - passed to httpx
        try:
            response = self._client.request(method, path, **more)
        except httpx.TransportError as error:
            raise PanelUnreachableError(self.url, error) from error
        if not response.is_success:
            raise _problem(response)
        return response


def _with_token(settings: Settings, request: httpx.Request) -> httpx.Request:
    # Read for each request: a panel that has just been started may not have made it yet.
    request.headers["Authorization"] = f"Bearer {_token(settings)}"
    return request


def _token(settings: Settings) -> str:
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = settings.api_token_file or settings.state_dir / CLI_TOKEN_FILE
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return "none"  # the panel's response says better what is missing


def _problem(response: httpx.Response) -> ProblemError:
    try:
        members = response.json()
        if not {"id", "what", "why", "fix", "command"} <= set(members):
            return NotThePanelError(response.status_code)
        return ProblemError.restore(members, status=response.status_code)
    except (ValueError, TypeError):
        return NotThePanelError(response.status_code)


def _object(text: str, status: int = httpx.codes.OK) -> dict[str, Any]:
    """Return `text` as a JSON object. Raises NotThePanelError where it is none."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotThePanelError(status) from error
    if not isinstance(document, dict):
        raise NotThePanelError(status)
    return document


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (event, data) of a stream of server-sent events with JSON data."""
    kind, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield kind, _object(data)
            kind, data = "message", ""
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
