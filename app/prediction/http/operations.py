"""Operations: `/livez`, `/readyz`, `/model`, `/stats` and `/metrics`."""

from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app.prediction.availability_problems import NO_MODEL_RETRY_S, STARTING_RETRY_S, StartingError
from app.prediction.http.request_metrics import CONTENT_TYPE
from app.prediction.http.service import Service
from pipeline.core.manifest import Manifest
from pipeline.core.prediction_api import ProblemMembers, Readiness, Stats

NOT_READY: Final[dict[str, Any]] = {"model": Readiness, "description": "No model is live yet, or it is being loaded"}

router = APIRouter(tags=["operations"])


@router.post("/predict", include_in_schema=False)
async def predict() -> None:
    """Answered by PredictFastPath; declared here so that other methods get 405 with `Allow`."""


@router.get("/livez", summary="Liveness")
async def livez() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", summary="Readiness: whether a model is loaded", responses={503: NOT_READY})
async def readyz(response: Response, service: Service) -> Readiness:
    reloader = service.reloader
    model = reloader.live_model.model if reloader.live_model else None
    problem = reloader.problem
    if model is None:
        response.status_code = 503
        is_loading = reloader.is_loading
        response.headers["Retry-After"] = str(STARTING_RETRY_S if is_loading else NO_MODEL_RETRY_S)
        problem = StartingError() if is_loading else problem
    return Readiness(
        ready=model is not None,
        version=model.version if model else None,
        digest=model.manifest.digest if model else None,
        loaded_at=reloader.loaded_at.isoformat() if reloader.loaded_at else None,
        reload_failed=reloader.counts.failures,
        wanted=reloader.wanted,
        problem=ProblemMembers.model_validate(problem.as_dict()) if problem else None,
    )


@router.get("/model", summary="Manifest of the live model", responses={200: {"model": Manifest}})
async def manifest(service: Service) -> Response:
    return Response(service.live_model.model.manifest_json, media_type="application/json")


@router.get("/stats", summary="Counts of live inputs and scores in the bins of the training data")
async def stats(service: Service) -> Stats:
    return service.live_model.stats.snapshot()


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(service: Service) -> Response:
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
