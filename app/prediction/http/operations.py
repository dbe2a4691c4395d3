"""Operations: `/livez`, `/readyz`, `/model`, `/stats` and `/metrics`."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from app.prediction.http.request_metrics import CONTENT_TYPE
from app.prediction.http.service import PredictionService
from pipeline.core.prediction_api import ProblemMembers, Readiness


def router(service: PredictionService) -> APIRouter:
    """Return the routes that say how the API is: liveness, readiness, manifest, counts and metrics."""
    routes = APIRouter(tags=["operations"])
    reloader = service.reloader

    @routes.post("/predict", include_in_schema=False)
    async def predict() -> None:
        """Answered by PredictFastPath; declared here so that other methods get 405 with `Allow`."""

    @routes.get("/livez", summary="Liveness")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get("/readyz", summary="Readiness: whether a model is loaded")
    async def readyz() -> JSONResponse:
        model = reloader.live_model.model if reloader.live_model else None
        problem = reloader.problem
        readiness = Readiness(
            ready=model is not None,
            version=model.version if model else None,
            digest=model.manifest.digest if model else None,
            loaded_at=reloader.loaded_at.isoformat() if reloader.loaded_at else None,
            reload_failed=reloader.counts.failures,
            problem=ProblemMembers.model_validate(problem.as_dict()) if problem else None,
        )
        headers = {} if model else {"Retry-After": "5"}
        return JSONResponse(readiness.model_dump(), status_code=200 if model else 503, headers=headers)

    @routes.get("/model", summary="Manifest of the live model")
    async def manifest() -> Response:
        return Response(service.live_model.model.manifest_json, media_type="application/json")

    @routes.get("/stats", summary="Counts of live inputs and scores in the bins of the training data")
    async def stats() -> JSONResponse:
        return JSONResponse(service.live_model.stats.snapshot().model_dump())

    @routes.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return routes
