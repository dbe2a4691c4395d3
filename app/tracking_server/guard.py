"""The middleware in front of MLflow that decides which writes and how much it gets to see.

MLflow itself lets every caller name any place for artifacts, and change whatever anybody has logged. It reads bodies of
any size, into memory unless they are artifacts.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.tracking_server.answers import problem
from app.tracking_server.locations import refused_location
from app.tracking_server.project import Project
from app.tracking_server.routes import is_write
from app.tracking_server.writes import Write, has_json, read_write
from app.web.identity import Identity

# MLflow's own limit for a batch of metrics is 1 MB; the description of a wide model is larger.
MAX_JSON_BYTES: Final = 16 * 2**20
# Left on the disk after an artifact, for the panel's own state.
MIN_FREE_BYTES: Final = 512 * 2**20

IdentityOf = Callable[[Scope], Identity | None]


class Guard:
    """Middleware for allowed routes. Reads pass; a write passes if its locations are this server's and its caller may.

    Viewers write nothing; operators all but what belongs to the project; admins and the panel's delivery everything.
    A caller whom `identity_of` does not know writes nothing. Bodies have at most MAX_JSON_BYTES; artifacts, what leaves
    MIN_FREE_BYTES of the `free_bytes` of their disk.
    """

    def __init__(self, app: ASGIApp, project: Project, identity_of: IdentityOf, free_bytes: Callable[[], int]) -> None:
        self._app = app
        self._project = project
        self._identity_of = identity_of
        self._free_bytes = free_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_writing = is_write(scope["method"], scope["path"])
        if is_writing and not self._may_write(scope):  # before a body of theirs is read
            detail = "Your role reads MLflow and changes nothing there. Ask an admin for the role operator."
            await problem(403, detail)(scope, receive, send)
            return
        body, is_artifact = b"", not has_json(scope["path"])
        if not is_artifact:
            read = await _read(receive)
            if read is None:
                await problem(413, f"The body is larger than {MAX_JSON_BYTES} bytes.")(scope, receive, send)
                return
            body, receive = read, _replay(read, receive)
        if is_writing:
            try:
                write = read_write(scope["method"], scope["path"], body)
                refusal = await asyncio.to_thread(self._refusal, scope, write)
            except ValueError as error:
                refusal = (400, f"The request cannot be read: {error}")
            if refusal is not None:
                await problem(*refusal)(scope, receive, send)
                return
        pass_on = self._pass_artifact if is_artifact else self._app
        await pass_on(scope, receive, send)

    async def _pass_artifact(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an artifact on, but answer 507 before it fills the disk. Of one that breaks off MLflow keeps nothing."""
        is_full = False

        async def receive_while_it_fits() -> Message:
            nonlocal is_full
            message = await receive()
            n_bytes = len(message.get("body", b""))
            if n_bytes and self._free_bytes() < n_bytes + MIN_FREE_BYTES:
                is_full = True
                raise ClientDisconnect
            return message

        async def send_unless_full(message: Message) -> None:
            if not is_full:  # what MLflow says of it is 500
                await send(message)

        try:
            await self._app(scope, receive_while_it_fits, send_unless_full)
        except Exception:
            if not is_full:
                raise
        if is_full:
            detail = "The disk of MLflow's artifacts is nearly full. Remove runs or models that nobody needs."
            await problem(507, detail)(scope, receive, send)

    def _may_write(self, scope: Scope) -> bool:
        """Return whether the caller may change anything at all."""
        identity = self._identity_of(scope)
        return identity is not None and (identity.is_service or identity.may("operator"))

    def _refusal(self, scope: Scope, write: Write) -> tuple[int, str] | None:
        """Return status and sentence for a write that MLflow must not see; None if it may pass."""
        identity = self._identity_of(scope)
        may_all = identity is not None and (identity.is_service or identity.may("admin"))
        if not may_all and self._project.is_touched(write):
            return 403, (
                f"The experiment and the registered model {self._project.name} are changed by the panel and by "
                "admins only. Log to an experiment of your own."
            )
        refused = refused_location(write) or self._project.refused_version(write)
        return None if refused is None else (400, refused)


async def _read(receive: Receive) -> bytes | None:
    """Return the body; None if it is too large."""
    chunks: list[bytes] = []
    more, n_bytes = True, 0
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        n_bytes += len(chunks[-1])
        if n_bytes > MAX_JSON_BYTES:
            return None
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a channel that gives the body once more, in one piece, and then what `receive` gives."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
