"""The outermost layer: request ids, the API key, counting, errors; and POST /predict without any framework.

Measured (`python -m bench serving`): a framework's own layers cost more than reading, scoring and responding for one row.
"""

import asyncio
import hmac
import logging
import re
import secrets
import time
from itertools import count
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.prediction.http.error_responses import check_json, error_response
from app.prediction.http.service import PredictionService
from app.prediction.problems import HostNotAllowedError, UnauthorizedError, UnexpectedError, UnsupportedBodyError
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.responses import encode_batch
from app.web.body_limit import read_body
from app.web.host_guard import HostGuard, unownable_hosts
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

CLIENT_CLOSED: Final = 499  # status counted when the client left early, as in nginx; it is never sent
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# From this many bytes on, reading and writing JSON would block the event loop for other requests.
INLINE_BYTES: Final = 16 * 1024
ROUTES: Final = ("/predict", "/predict/csv", "/explain", "/curve", "/invocations", "/model", "/stats", "/metrics")
# They hold rows of the table (golden rows) and counts of live data: the key guards them as it does POST.
DATA_PATHS: Final = frozenset({"/model", "/stats"})
_JSON: Final = (b"content-type", b"application/json")


class PredictFastPath:
    """Pure ASGI. Passes everything but POST /predict on to `app`. Needs asyncio."""

    def __init__(self, service: PredictionService, app: ASGIApp) -> None:
        self._service = service
        self._app = app
        self._key = service.settings.bearer().encode()
        self._hosts = HostGuard(unownable_hosts(service.settings.allowed_hosts), allow_missing=True)
        # Unique over restarts by the first half, over requests by the second.
        self._prefix = secrets.token_hex(4)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no WebSockets here
        start = time.perf_counter()
        content_type, length, coding, client_id, key, host = _read_headers(scope)
        if client_id and REQUEST_ID.fullmatch(client_id):
            request_id = client_id.decode()
        else:
            request_id = f"{self._prefix}-{next(self._numbers):x}"
        scope["request_id"] = request_id
        path = scope["path"]
        is_predict = path == "/predict" and scope["method"] == "POST"
        try:
            if scope["method"] == "POST" or path in DATA_PATHS:
                self._authorize(host, coding, key)
            if is_predict:
                status = await self._predict(content_type, length, request_id, receive, send)
            else:
                status = await self._pass_on(scope, receive, send)
        except ProblemError as problem:
            status = problem.status
            await _with_id(error_response(problem, request_id), scope, receive, send)
        except ClientDisconnect:
            status = CLIENT_CLOSED
        except Exception:
            log.exception("action=request_failed request_id=%s", request_id)
            status = 500
            if is_predict:  # the others have been answered, as far as they could
                await _with_id(error_response(UnexpectedError(), request_id), scope, receive, send)
        self._service.metrics.observe(route_label(path), status, time.perf_counter() - start)

    def _authorize(self, host: bytes, coding: bytes, key: bytes) -> None:
        """Raise UnauthorizedError API-08 (401) for a wrong key, HostNotAllowedError API-17 (421) for a foreign host name
        where no key is set, UnsupportedBodyError API-07 (415) for a compressed body."""
        if not self._key:
            if not self._hosts.allows(host):
                raise HostNotAllowedError(host)
        elif not hmac.compare_digest(key, self._key):
            raise UnauthorizedError
        if coding and coding != b"identity":
            raise UnsupportedBodyError.compressed(coding.decode("latin-1"))

    async def _predict(self, content_type: bytes, length: bytes, request_id: str, receive: Receive, send: Send) -> int:
        service = self._service
        if content_type != b"application/json":
            check_json(content_type.decode("latin-1"))
        limits = service.body_limits
        limits.check_size(int(length) if length.isdigit() else 0)
        raw = await read_body(receive, limits)
        # Only now, and only once: the whole answer comes from the model that is live at this moment.
        loaded = service.live_model
        if len(raw) <= INLINE_BYTES:
            content = loaded.single_row.answer(raw, request_id)
            if content is None:
                content = self._answer(loaded, raw, request_id)
            else:
                service.metrics.count_rows(1)
        else:
            content = await asyncio.to_thread(self._answer, loaded, raw, request_id)
        headers = [_JSON, (b"content-length", b"%d" % len(content)), (b"x-request-id", request_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return 200

    def _answer(self, loaded: LoadedModel, raw: bytes, request_id: str) -> bytes:
        rows = loaded.reader.body(raw)
        content = encode_batch(loaded.model, rows, self._service.score_now(loaded, rows), request_id)
        return content[1:-1] if rows.single else content

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves out the body
        return await _with_id(self._app, scope, receive, send)


def _read_headers(scope: Scope) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
    """Return Content-Type, Content-Length, Content-Encoding, X-Request-Id, the API key and Host; b"" for a missing one."""
    content_type = length = coding = client_id = key = bearer = host = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = value
        elif name == b"x-request-id":
            client_id = value
        elif name == b"authorization":
            if value[:7].lower() == b"bearer ":
                bearer = value[7:].strip()
        elif name == b"x-api-key":
            key = value
        elif name == b"content-encoding":
            coding = value.lower()
        elif name == b"host":
            host = value
    return content_type, length, coding, client_id, key or bearer, host


async def _with_id(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> int:
    """Run `app`, add the request id to its response, and return the status."""
    status = 500

    async def answer(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", scope["request_id"].encode())]
        await send(message)

    await app(scope, receive, answer)
    return status


def route_label(path: str) -> str:
    """Return the route label of a path: one of a fixed set."""
    if path in ROUTES:
        return path
    if path.startswith("/v2/"):
        return "/v2/infer" if path.endswith("/infer") else "/v2"
    return "other"
