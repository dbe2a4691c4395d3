"""Wires the prediction API: the fast front outside, FastAPI for everything but POST /predict inside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from app.prediction import csv_table, explain_routes, invocations, open_inference
from app.prediction.docs import add_docs
from app.prediction.error_responses import refusal
from app.prediction.fast_path import Front
from app.prediction.problems import NoRouteError, UnexpectedError
from app.prediction.reloader import Keeper
from app.prediction.request_metrics import CONTENT_TYPE, Meter
from app.prediction.service import PredictionService
from app.prediction.settings import ApiSettings
from pipeline.core.prediction_api import ProblemMembers, Readiness
from pipeline.core.problems import ProblemError


def create_app(settings: ApiSettings) -> ASGIApp:
    """The API as an ASGI application; starts to look for a model when its lifespan begins."""
    keeper = Keeper(settings)
    service = PredictionService(settings, keeper, Meter(keeper))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(keeper.watch())
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    app = FastAPI(title="Prediction API", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    _operations(app, service)
    for module in (csv_table, explain_routes, invocations, open_inference):
        app.include_router(module.router(service))
    add_docs(app, service)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return Front(service, app)


def _operations(app: FastAPI, service: PredictionService) -> None:
    keeper = service.keeper

    @app.post("/predict", include_in_schema=False)
    async def predict() -> None:
        """Front answers it; here, who uses another method is told which one there is."""

    @app.get("/livez", summary="Is the process alive?", tags=["operations"])
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", summary="Is there a model to answer with?", tags=["operations"])
    async def readyz() -> JSONResponse:
        model = keeper.served.model if keeper.served else None
        problem = keeper.problem
        readiness = Readiness(
            ready=model is not None,
            version=model.version if model else None,
            digest=model.manifest.digest if model else None,
            loaded_at=keeper.loaded_at.isoformat() if keeper.loaded_at else None,
            reload_failed=keeper.counts.failures,
            problem=ProblemMembers.model_validate(problem.as_dict()) if problem else None,
        )
        headers = {} if model else {"Retry-After": "5"}
        return JSONResponse(readiness.model_dump(), status_code=200 if model else 503, headers=headers)

    @app.get("/model", summary="The live model's manifest", tags=["operations"])
    async def manifest() -> Response:
        return Response(service.served.model.manifest_json, media_type="application/json")

    @app.get("/stats", summary="What the live model has seen, in the bins of its training data", tags=["operations"])
    async def stats() -> JSONResponse:
        return JSONResponse(service.served.live.snapshot().model_dump())

    @app.get("/metrics", summary="Metrics for Prometheus", tags=["operations"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(service.meter.text(), headers={"Content-Type": CONTENT_TYPE})


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, ProblemError)
    return refusal(problem, request.scope["request_id"])


async def _unexpected(request: Request, _: Exception) -> Response:
    return refusal(UnexpectedError(), request.scope["request_id"])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = NoRouteError(error.detail, method=request.method, path=request.scope["path"], status=error.status_code)
    response = refusal(problem, request.scope["request_id"])
    response.headers.update(error.headers or {})
    return response
