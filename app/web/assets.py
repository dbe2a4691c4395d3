"""Static files: every URL carries the content's digest, so that browsers may cache them forever."""

import hashlib
import os
from functools import cache
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.files import folder

STATIC_DIR: Final = folder("static")


@cache
def asset_url(path: str) -> str:
    """Return the URL of a file below `static/`. Raises FileNotFoundError, so that no template names a missing file."""
    digest = hashlib.sha256((STATIC_DIR / path).read_bytes()).hexdigest()
    return f"/static/{path}?v={digest[:12]}"


class Assets(StaticFiles):
    """Serves `static/`; a URL with its digest is immutable, one without is revalidated each time."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_DIR)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """See StaticFiles."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        has_digest = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if has_digest else "no-cache"
        return response
