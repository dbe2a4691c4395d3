"""The application: MLflow's own, behind the panel's login, the list of allowed routes and the guard of what they change."""

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.tracking_server.answers import problem
from app.tracking_server.guard import Guard
from app.tracking_server.project import Project
from app.tracking_server.repositories import confine
from app.tracking_server.routes import is_allowed
from app.tracking_server.settings import Settings
from app.web.access import FILE, AccessList
from app.web.host_guard import HostGuard, listed_hosts, split_names
from app.web.identity import identity_of
from app.web.login_gate import Gate, LoginGate
from pipeline.core.problems import ProblemError

HOSTS_SETTING: Final = "MLFLOW_SERVER_ALLOWED_HOSTS"  # MLflow's own; it looks at it behind the login only
READY_PATH: Final = "/readyz"
# MLflow itself answers `/health` without looking at its store.
STORE_PATH: Final = "/api/2.0/mlflow/experiments/search"
# The pages' own scripts and styles: the same for everybody, in the public package.
OPEN_PATHS: Final = (READY_PATH, "/health", "/version", "/static-files/")


class AllowedRoutes:
    """Middleware: passes requests to allowed routes on; answers 404 to others and refuses WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] == "http" and scope["path"] == READY_PATH and scope["method"] == "GET":
            status = await _store_status(self._app, scope)
            await Response(status_code=status)(scope, receive, send)
            return
        # With a root path, the router behind would read another path than the one compared here.
        if scope["type"] == "http" and (scope.get("root_path") or not is_allowed(scope["method"], scope["path"])):
            detail = f"{scope['method']} {scope['path']} is not one of the MLflow routes that are served here."
            await problem(404, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def create_app(settings: Settings, project: str) -> ASGIApp:
    """Return MLflow's application, for those who are logged in and on the allowed routes only.

    `project` names what only its own delivery and an admin may change: see Guard. Imports MLflow's server, which takes
    seconds.
    """
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR  # noqa: PLC0415  # only the process that serves pays for it
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    artifacts = Path(os.environ[ARTIFACTS_DESTINATION_ENV_VAR])
    confine(artifacts)
    # The folder of the artifacts is made with the first of them; the one above holds the store.
    guard = Guard(app, Project(project), identity_of, lambda: shutil.disk_usage(artifacts.parent).free)
    routes = AllowedRoutes(guard)
    hosts = HostGuard(listed_hosts(os.environ.get(HOSTS_SETTING, "").lower().split(","), ()))
    gate = Gate(
        "mlflow",
        settings.port,
        settings.panel_url,
        split_names(settings.panel_names),
        open_paths=OPEN_PATHS,
        is_host_allowed=hosts.allows,
        refuse=_refuse,
    )
    return LoginGate(routes, gate, AccessList(settings.access_dir / FILE))


async def _store_status(app: ASGIApp, scope: Scope) -> int:
    """Return the status of a request that MLflow answers from its store, checked as any other request is."""
    status = 500

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    inner = {**scope, "path": STORE_PATH, "raw_path": STORE_PATH.encode(), "query_string": b"max_results=1"}
    await app(inner, receive, send)
    return status


def _refuse(reason: ProblemError) -> Response:
    if reason.status == 401:
        return problem(
            401,
            "MLflow needs the panel's login. "
            "Set MLFLOW_TRACKING_TOKEN to a token that was made on the panel's page Access.",
        )
    return problem(reason.status, f"{reason.what} {reason.why} {reason.fix}")
