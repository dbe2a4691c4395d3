"""The outermost layer: request ids, counting, errors; and POST /predict without any framework.

Measured (`python -m bench serving`): a framework's own layers cost more than reading, scoring and responding for one row.
"""

import asyncio
import logging
import re
import secrets
import time
from itertools import count
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.prediction.http.error_responses import error_response
from app.prediction.http.request_guard import Headers, RequestGuard
from app.prediction.http.request_metrics import route_label
from app.prediction.http.service import PredictionService, Sender
from app.prediction.problems import OutOfMemoryError, UnexpectedError
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.responses import encode_batch
from app.web.body_limit import read_body
from pipeline.core.prediction_api import LIVE_DATA_HEADER, PROCESSOR_METRIC
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

CLIENT_CLOSED: Final = 499  # status counted when the client left early, as in nginx; it is never sent
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# From this many bytes on, reading and writing JSON would block the event loop for other requests.
INLINE_BYTES: Final = 16 * 1024
NOT_LIVE_HEADER: Final = LIVE_DATA_HEADER.lower().encode()
PROCESSOR_TIMING: Final = PROCESSOR_METRIC.encode()
ANYBODY: Final = Sender()
NOT_LIVE: Final = Sender(is_live=False)
_JSON: Final = (b"content-type", b"application/json")


class PredictFastPath:
    """Pure ASGI. Passes everything but POST /predict on to `app`. Needs asyncio."""

    def __init__(self, service: PredictionService, app: ASGIApp) -> None:
        self._service = service
        self._app = app
        self._guard = RequestGuard(service.settings)
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
        headers = dict(scope["headers"])
        client_id = headers.get(b"x-request-id")
        if client_id and REQUEST_ID.fullmatch(client_id):
            request_id = client_id.decode()
        else:
            request_id = f"{self._prefix}-{next(self._numbers):x}"
        scope["request_id"] = request_id
        path = scope["path"]
        is_predict = path == "/predict" and scope["method"] == "POST"
        try:
            self._guard.check(scope, headers)
            sender = scope["sender"] = self._sender(scope, headers)
            if is_predict:
                status = await self._predict(headers, sender, request_id, receive, send)
            else:
                status = await self._pass_on(scope, receive, send)
        except ProblemError as problem:
            status = problem.status
            await _with_id(_problem_response(problem, path, request_id), scope, receive, send)
        except ClientDisconnect:
            status = CLIENT_CLOSED
        except Exception as error:  # noqa: BLE001 - `_failure` logs it
            failure = _failure(error, request_id)
            status = failure.status
            if status == 500 and scope.get("sender", NOT_LIVE).is_live:
                self._service.metrics.count_error(route_label(path))
            if is_predict:  # the others have been answered, as far as they could
                await _with_id(error_response(failure, request_id), scope, receive, send)
        self._service.metrics.observe(route_label(path), status, time.perf_counter() - start)

    def _sender(self, scope: Scope, headers: Headers) -> Sender:
        is_live = headers.get(NOT_LIVE_HEADER) != b"no"
        if self._service.quota is None:
            return ANYBODY if is_live else NOT_LIVE
        client = scope.get("client")
        caller = self._guard.caller(headers, client[0] if client else "")
        return Sender(caller, is_live)

    async def _predict(self, headers: Headers, sender: Sender, request_id: str, receive: Receive, send: Send) -> int:
        service = self._service
        length = headers.get(b"content-length", b"")
        limits = service.body_limits
        limits.check_size(int(length) if length.isdigit() else 0)
        raw = await read_body(receive, limits)
        # Only now, and only once: the whole answer comes from the model that is live at this moment.
        loaded = service.live_model
        timing: tuple[tuple[bytes, bytes], ...] = ()
        content: bytes | None
        if not sender.is_live:
            content, timing = await self._predict_aside(loaded, raw, sender, request_id)
        elif len(raw) <= INLINE_BYTES:
            content = loaded.single_row.answer(raw, request_id) if service.quota is None else None
            if content is None:
                content = self._answer(loaded, raw, sender, request_id)
            else:
                service.metrics.count_rows(1)
        else:
            content = await asyncio.to_thread(self._answer, loaded, raw, sender, request_id)
        answer_headers = [
            _JSON,
            (b"content-length", b"%d" % len(content)),
            (b"x-request-id", request_id.encode()),
            *timing,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": answer_headers})
        await send({"type": "http.response.body", "body": content})
        return 200

    def _answer(self, loaded: LoadedModel, raw: bytes, sender: Sender, request_id: str) -> bytes:
        rows = loaded.reader.body(raw)
        scores = self._service.score_now(loaded, rows, sender)
        content = encode_batch(loaded.model, rows, scores, request_id)
        return content[1:-1] if rows.single else content

    async def _predict_aside(
        self, loaded: LoadedModel, raw: bytes, sender: Sender, request_id: str
    ) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        """Return the answer to rows that are no live data, which counts nowhere, and how long the processor worked on it.

        That time is the same however busy the API is with other requests.
        """

        is_short = len(raw) <= INLINE_BYTES
        as_one_row = is_short and self._service.quota is None

        def predict() -> tuple[bytes, float]:
            begun = time.thread_time()
            content = loaded.single_row.answer(raw, request_id, is_live=False) if as_one_row else None
            if content is None:
                content = self._answer(loaded, raw, sender, request_id)
            return content, time.thread_time() - begun

        content, spent_s = predict() if is_short else await asyncio.to_thread(predict)
        return content, ((b"server-timing", b"%s;dur=%.3f" % (PROCESSOR_TIMING, 1000 * spent_s)),)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves out the body
        return await _with_id(self._app, scope, receive, send)


def _failure(error: Exception, request_id: str) -> ProblemError:
    """Return the problem that answers a request that `error` ended, and log it."""
    if isinstance(error, MemoryError):  # others' large requests can cause it: it says nothing about the model
        log.warning("action=request_failed reason=memory request_id=%s", request_id)
        return OutOfMemoryError()
    log.error("action=request_failed request_id=%s", request_id, exc_info=error)
    return UnexpectedError()


def _problem_response(problem: ProblemError, path: str, request_id: str) -> JSONResponse:
    # The Open Inference Protocol asks for the member `error`.
    more = {"error": str(problem)} if path.startswith("/v2/") else {}
    return error_response(problem, request_id, **more)


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
