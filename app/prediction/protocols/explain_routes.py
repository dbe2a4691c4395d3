"""`POST /explain` and `POST /curve`: see `app.prediction.protocols.explain` for the definitions.

    POST /explain  one record, as for /predict
        {"base", "score", "class"?, "contributions": [{"feature", "value", "typical", "contribution"}], "method",
         "model_version", "request_id"}
    POST /curve    {"record": one record, "feature": name}
        {"feature", "class"?, "points": [{"value", "score", "prediction"}], "model_version", "request_id"}

Neither counts as a predicted row, because such records are hypothetical.
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app.prediction.http.service import PredictionService
from app.prediction.protocols.explain import curve, curve_request, explain
from app.prediction.scoring.loaded_model import LoadedModel
from app.web.body_limit import read_body
from pipeline.core.prediction_api import Curve, Explanation


def router(service: PredictionService) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["explanation"])

    @routes.post("/explain", summary="Contribution of each feature to the score")
    async def explain_record(request: Request) -> JSONResponse:
        raw = await read_body(request.receive, service.body_limits)
        loaded = service.live_model
        return _json(await asyncio.to_thread(_explain, loaded, raw, request.scope["request_id"]))

    @routes.post("/curve", summary="Score as a function of one feature")
    async def curve_of(request: Request) -> JSONResponse:
        raw = await read_body(request.receive, service.body_limits)
        loaded = service.live_model
        return _json(await asyncio.to_thread(_curve, loaded, raw, request.scope["request_id"]))

    return routes


def _explain(loaded: LoadedModel, raw: bytes, request_id: str) -> Explanation:
    return explain(loaded.model, loaded.reader.body(raw), request_id)


def _curve(loaded: LoadedModel, raw: bytes, request_id: str) -> Curve:
    record, feature = curve_request(raw)
    return curve(loaded.model, loaded.reader.records([record], single=True), feature, request_id)


def _json(response: Explanation | Curve) -> JSONResponse:
    absent = {"class_label"} if response.class_label is None else None
    return JSONResponse(response.model_dump(by_alias=True, exclude=absent))
