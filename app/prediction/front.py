"""The outermost layer: request ids, the API key, counting, errors; and POST /predict without any framework.

Measured (`make bench`): the framework's own layers cost more than reading, scoring and answering one row together.
"""

import asyncio
import hmac
import re
import secrets
import time
from itertools import count
from typing import Final

import msgspec
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.prediction.answers import answers
from app.prediction.rows import RowsError
from app.prediction.served import Served
from app.prediction.service import NoModelError, PredictionService
from app.prediction.settings import ApiSettings
from app.web.problems import problem_response
from pipeline.errors import ProblemError

REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# From so many bytes on, reading and writing JSON would hold up everybody else on the loop.
INLINE_BYTES: Final = 64 * 1024
ROUTES: Final = ("/predict", "/predict/csv", "/explain", "/curve", "/invocations", "/model", "/stats", "/metrics")
_JSON: Final = (b"content-type", b"application/json")
_encode: Final = msgspec.json.Encoder().encode


class Front:
    """Pure ASGI. Everything but POST /predict goes on to `app`."""

    def __init__(self, service: PredictionService, app: ASGIApp) -> None:
        self._service = service
        self._app = app
        self._key = service.settings.api_key.encode()
        # Unique over restarts by the first half, over requests by the second.
        self._prefix = secrets.token_hex(4)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        given = kind = key = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                kind = value
            elif name == b"x-request-id":
                given = value
            elif name == b"authorization":
                key = value.removeprefix(b"Bearer ")
            elif name == b"x-api-key":
                key = value
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else f"{self._prefix}-{next(self._numbers):x}"
        scope["request_id"] = request_id
        is_post = scope["method"] == "POST"
        path = scope["path"]
        if is_post and self._key and not hmac.compare_digest(key, self._key):
            status = await self._refuse(_no_key(), scope, receive, send)
        elif is_post and path == "/predict":
            status = await self._predict(kind, scope, receive, send)
        else:
            status = await self._pass_on(scope, receive, send)
        self._service.meter.observe(route(path), status, time.perf_counter() - start)

    async def _predict(self, kind: bytes, scope: Scope, receive: Receive, send: Send) -> int:
        request_id = scope["request_id"]
        try:
            if kind and not kind.lower().startswith(b"application/json"):
                raise _not_json(kind)
            served = self._service.served
            raw = await read_body(receive, self._service.settings)
            if len(raw) > INLINE_BYTES:
                content = await asyncio.to_thread(self._answer, served, raw, request_id)
            else:
                rows = served.reader.body(raw)
                scores = await self._service.score(served, rows)
                found = answers(served.model, rows, scores, request_id)
                content = _encode(found[0] if rows.single else found)
        except ProblemError as problem:
            return await self._refuse(problem, scope, receive, send)
        headers = [
            _JSON,
            (b"content-length", str(len(content)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return 200

    def _answer(self, served: Served, raw: bytes, request_id: str) -> bytes:
        rows = served.reader.body(raw)
        found = answers(served.model, rows, self._service.score_now(served, rows), request_id)
        return _encode(found[0] if rows.single else found)

    async def _refuse(self, problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> int:
        await refusal(problem, scope["request_id"])(scope, receive, send)
        return problem.status

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 500
        request_id = scope["request_id"].encode()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        await self._app(scope, receive, answer)
        return status


def refusal(problem: ProblemError, request_id: str) -> JSONResponse:
    """The problem as a response, with what belongs to its kind."""
    extra: dict[str, object] = {"request_id": request_id}
    headers = {"X-Request-Id": request_id}
    if isinstance(problem, RowsError):
        extra |= {"errors": problem.errors, "example": problem.example}
    if isinstance(problem, NoModelError):
        headers["Retry-After"] = "5"
        if problem.run_url:
            extra["run_url"] = problem.run_url
            headers["Link"] = f'<{problem.run_url}>; rel="monitor"'
    return problem_response(problem, headers=headers, **extra)


async def read_body(receive: Receive, settings: ApiSettings) -> bytes:
    """The whole body. Raises ProblemError API-04 (413) when it is too large, API-06 (408) when it comes too slowly."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            while True:
                message = await receive()
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > settings.max_body_bytes:
                    raise _too_large(settings.max_body_bytes)
                chunks.append(chunk)
                if not message.get("more_body"):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError as error:
        raise _slow(settings.body_timeout_s) from error


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        "API-04",
        "The body is too large.",
        why=f"At most {limit:,} bytes are read.",
        fix="Send it in parts, or as CSV to /predict/csv, which has no limit.",
        status=413,
    )


def _slow(timeout_s: float) -> ProblemError:
    return ProblemError(
        "API-06", "The body did not arrive in time.", why=f"It took more than {timeout_s:g} s.", status=408
    )


def _not_json(kind: bytes) -> ProblemError:
    return ProblemError(
        "API-07",
        "The body is not announced as JSON.",
        why=f"Its Content-Type is {kind.decode('latin-1')[:80]!r}.",
        fix="Send the header Content-Type: application/json. For CSV there is /predict/csv.",
        status=415,
    )


def _no_key() -> ProblemError:
    return ProblemError(
        "API-08",
        "The API key is missing or wrong.",
        why="This API was started with API_KEY or API_KEY_FILE.",
        fix="Send the header Authorization: Bearer KEY.",
        status=401,
    )


def route(path: str) -> str:
    """The path as a label of bounded variety."""
    if path in ROUTES:
        return path
    if path.startswith("/v2/"):
        return "/v2/infer" if path.endswith("/infer") else "/v2"
    return "other"
