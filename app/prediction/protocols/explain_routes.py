"""`POST /explain` and `POST /curve`: see `app.prediction.protocols.explain` for the definitions, `pipeline.core.prediction_api`
for the responses.

Neither counts as a predicted row, because such records are hypothetical; both count as one against a quota.
"""

import asyncio

from fastapi import APIRouter, Request, Response

from app.prediction.http.service import Service
from app.prediction.protocols.explain import curve, curve_request, explain
from app.prediction.scoring.loaded_model import LoadedModel
from app.web.body_limit import read_body
from pipeline.core.prediction_api import Curve, Explanation

router = APIRouter(tags=["explanation"])


@router.post("/explain", summary="Contribution of each feature to the score", responses={200: {"model": Explanation}})
async def explain_record(request: Request, service: Service) -> Response:
    raw = await read_body(request.receive, service.body_limits)
    loaded = service.live_model
    service.spend(request.scope["sender"], 1)
    content = await asyncio.to_thread(_explain, loaded, raw, request.scope["request_id"])
    return Response(content, media_type="application/json")


@router.post("/curve", summary="Score as a function of one feature", responses={200: {"model": Curve}})
async def curve_of(request: Request, service: Service) -> Response:
    raw = await read_body(request.receive, service.body_limits)
    loaded = service.live_model
    service.spend(request.scope["sender"], 1)
    content = await asyncio.to_thread(_curve, loaded, raw, request.scope["request_id"])
    return Response(content, media_type="application/json")


def _explain(loaded: LoadedModel, raw: bytes, request_id: str) -> str:
    return _json(explain(loaded.model, loaded.reader.body(raw), request_id))


def _curve(loaded: LoadedModel, raw: bytes, request_id: str) -> str:
    record, feature = curve_request(raw)
    return _json(curve(loaded.model, loaded.reader.records([record], single=True), feature, request_id))


def _json(response: Explanation | Curve) -> str:
    absent = {"class_label"} if response.class_label is None else None
    return response.model_dump_json(by_alias=True, exclude=absent)
