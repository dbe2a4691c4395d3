"""`/docs` and `/openapi.json`, made from the live model; all that the page needs is served by this API."""

from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse

from app.prediction.docs.openapi import document
from app.prediction.http.service import PredictionService, Service
from app.web.assets import asset_url
from app.web.dependencies import provided
from pipeline.core.product import NAME

# Swagger UI sets styles on its elements; scripts come from this server only.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{style}">
<link rel="icon" href="{icon}">
</head>
<body>
<div id="docs"><noscript><p>This page needs JavaScript. The same information is in <a href="/openapi.json">openapi.json</a>.</p></noscript></div>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""


router = APIRouter(include_in_schema=False)


class ApiDocument:
    """The OpenAPI document of `app`, rebuilt when another model goes live."""

    def __init__(self, app: FastAPI, service: PredictionService) -> None:
        self._app = app
        self._service = service
        self._digest: str | None = None
        self._document: dict[str, Any] = {}

    def current(self) -> dict[str, Any]:
        """Return the document for the live model, if there is one."""
        loaded = self._service.reloader.live_model
        digest = f"{loaded.model.version} {loaded.model.manifest.digest}" if loaded else ""
        if self._digest != digest:
            self._app.openapi_schema = None
            self._document = document(
                self._app.openapi(),
                loaded.model if loaded else None,
                _version(),
                max_rows=self._service.settings.max_rows,
                has_key=bool(self._service.settings.bearer()),
            )
            self._digest = digest
        return self._document


@router.get("/openapi.json")
async def openapi(documents: Annotated[ApiDocument, provided(ApiDocument)]) -> JSONResponse:
    return JSONResponse(documents.current(), headers={"Cache-Control": "no-cache"})


@router.get("/docs")
async def docs(service: Service) -> HTMLResponse:
    loaded = service.reloader.live_model
    page = PAGE.format(
        title=escape(f"Predicts {loaded.model.manifest.target}" if loaded else "Prediction API"),
        style=asset_url("vendor/swagger/swagger-ui.css"),
        icon=asset_url("icon.svg"),
        bundle=asset_url("vendor/swagger/swagger-ui-bundle.js"),
        start=asset_url("prediction/docs.js"),
    )
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return HTMLResponse(page, headers=headers)


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
