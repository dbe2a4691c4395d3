"""The product's server with a login that believes everybody: the token of a request is the role of its caller."""

import sys
from typing import Final, cast

from starlette.datastructures import Headers
from starlette.types import Scope

from app.tracking_server.main import create_app
from app.web.identity import Identity, Role
from app.web.server import Server, build_config

ROLES: Final = ("viewer", "operator", "admin")


def _identity_of(scope: Scope) -> Identity | None:
    token = Headers(scope=scope).get("authorization", "").removeprefix("Bearer ")
    if token == "service":
        return Identity("the panel", None, "panel", is_service=True)
    if not token:  # the panel, which waits until the server is ready
        return None
    return Identity(token, cast("Role", token) if token in ROLES else None, "token")


if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    app = create_app(options["--project"], _identity_of)
    Server(build_config(app, host=options["--host"], port=int(options["--port"]), lifespan="off"), 10.0).run()
