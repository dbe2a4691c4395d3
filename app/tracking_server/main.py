"""The application: MLflow's own, behind the list of allowed routes.

What else has to be true of a request before MLflow sees it, such as a login, belongs in `create_app`, around the list.
"""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

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
            await _not_found(scope["method"], scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)


def create_app() -> ASGIApp:
    """Return MLflow's application with all but the allowed routes closed. Imports MLflow's server, which takes seconds."""
    from mlflow.server.fastapi_app import app  # noqa: PLC0415  # only the process that serves pays for it

    return AllowedRoutes(app)


def _not_found(method: str, path: str) -> JSONResponse:
    """Return RFC 9457 problem details, with the two members by which MLflow's own clients read an error."""
    detail = f"{method} {path} is not one of the MLflow routes that are served here."
    body = {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": detail,
        "error_code": "ENDPOINT_NOT_FOUND",
        "message": detail,
    }
    return JSONResponse(body, status_code=404, media_type="application/problem+json")
