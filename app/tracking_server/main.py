"""The application: MLflow's own, behind the list of allowed routes and the guard of what they may change.

What else has to be true of a request before MLflow sees it, such as a login, belongs in `create_app`, around the guard.
"""

import os
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from app.tracking_server.answers import problem
from app.tracking_server.guard import Guard, IdentityOf
from app.tracking_server.project import Project
from app.tracking_server.repositories import confine
from app.tracking_server.routes import is_allowed


class AllowedRoutes:
    """Middleware: passes requests to allowed routes on; answers 404 to others and refuses WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        # With a root path, the router behind would read another path than the one compared here.
        if scope["type"] == "http" and (scope.get("root_path") or not is_allowed(scope["method"], scope["path"])):
            detail = f"{scope['method']} {scope['path']} is not one of the MLflow routes that are served here."
            await problem(404, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def create_app(project: str, identity_of: IdentityOf | None = None) -> ASGIApp:
    """Return MLflow's application with all but the allowed routes closed; `project` names what is protected: see Guard.

    Imports MLflow's server, which takes seconds.
    """
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR  # noqa: PLC0415  # only the process that serves pays for it
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    confine(Path(os.environ[ARTIFACTS_DESTINATION_ENV_VAR]))
    return AllowedRoutes(Guard(app, Project(project), identity_of))
