"""Wires the prediction API: the fast path outside, FastAPI for everything but POST /predict inside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from app.prediction.docs import routes as docs
from app.prediction.docs.routes import ApiDocument
from app.prediction.http import operations
from app.prediction.http.error_responses import error_response
from app.prediction.http.fast_path import PredictFastPath
from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.http.service import PredictionService
from app.prediction.problems import NoRouteError, OutOfMemoryError, UnexpectedError
from app.prediction.protocols import csv_table, explain_routes, invocations, open_inference
from app.prediction.reload.early_verification import EarlyVerification
from app.prediction.reload.reloader import ModelReloader
from app.prediction.settings import ApiSettings
from app.web.app_objects import provide
from app.web.assets import Assets
from app.web.proxies import behind_proxies
from app.web.security import StrictTransport
from pipeline.core.problems import ProblemError


def create_app(settings: ApiSettings, early: EarlyVerification | None = None) -> ASGIApp:
    """Return the API as an ASGI application; its lifespan starts and stops the reloader. `early`: see `ModelReloader`.

    One that replaces another does not start without the model that the other has. Raises the problem that prevents it.
    """
    reloader = ModelReloader(settings, early)
    service = PredictionService(settings, reloader, RequestMetrics(reloader))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if settings.replaces:
            # What serves now has a model: this one listens once it has it, too, or not at all.
            await reloader.catch_up()
        reloading = asyncio.create_task(reloader.run())
        if settings.port_keeper is not None:
            # Another one may be serving: this one joins it when it can predict.
            await reloader.wait_followed(settings.first_load_s)
        yield
        reloading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reloading

    app = FastAPI(title="Prediction API", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    provide(app, [service, ApiDocument(app, service)])
    for module in (operations, csv_table, explain_routes, invocations, open_inference, docs):
        app.include_router(module.router)
    app.mount("/static", Assets())
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(MemoryError, _no_memory)
    app.add_exception_handler(Exception, _unexpected)
    return behind_proxies(StrictTransport(PredictFastPath(service, app)), settings.trusted_proxies)


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, ProblemError)
    return error_response(problem, request.scope["request_id"])


async def _no_memory(request: Request, _: Exception) -> Response:
    return error_response(OutOfMemoryError(), request.scope["request_id"])


async def _unexpected(request: Request, _: Exception) -> Response:
    return error_response(UnexpectedError(), request.scope["request_id"])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = NoRouteError(error.detail, method=request.method, path=request.scope["path"], status=error.status_code)
    response = error_response(problem, request.scope["request_id"])
    response.headers.update(error.headers or {})
    return response
