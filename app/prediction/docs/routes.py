"""`/docs` and `/openapi.json`, made from the live model; everything they need is served from here."""

from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse

from app.prediction.docs.openapi import document
from app.prediction.http.service import PredictionService
from app.web.assets import Assets, asset_url
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


def add_docs(app: FastAPI, service: PredictionService) -> None:
    """Add `/docs`, `/openapi.json` and the files that they need."""
    cached: dict[str, Any] = {}

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        loaded = service.reloader.live_model
        digest = f"{loaded.model.version} {loaded.model.manifest.digest}" if loaded else ""
        if cached.get("digest") != digest:
            app.openapi_schema = None
            cached["document"] = document(app.openapi(), loaded.model if loaded else None, _version())
            cached["digest"] = digest
        return JSONResponse(cached["document"], headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
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

    app.mount("/static", Assets())


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
