"""The Open Inference Protocol, version 2, over HTTP and JSON, with the binary tensor data extension.

The model is called `automated-ml-pipeline`, as in MLflow's registry; its versions are those of the models. Errors also
have the member `error`, which the protocol asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from app.prediction.http.content_types import JSON_LENGTH_HEADER
from app.prediction.http.error_responses import error_response
from app.prediction.http.service import PredictionService, Service
from app.prediction.protocols.open_inference_models import (
    InferResponse,
    LiveResponse,
    ModelMetadata,
    ModelReadiness,
    ReadyResponse,
    ServerMetadata,
    TensorMetadata,
)
from app.prediction.protocols.problems import InvalidTensorsError, UnknownModelError
from app.prediction.protocols.tensor_inputs import inputs_of, parse_tensor, rows_of
from app.prediction.protocols.tensor_outputs import output_tensors, outputs_of, requested_outputs
from app.prediction.scoring.lenient_json import decode
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import Model
from app.prediction.scoring.responses import batch_remarks
from app.prediction.scoring.rows import Rows
from app.web.body_limit import read_body
from pipeline.core.problems import ProblemError
from pipeline.core.product import NAME

MAX_ID: Final = 200
NOT_READY: Final[dict[str, Any]] = {"model": ReadyResponse, "description": "No model is live yet"}

T = TypeVar("T")

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol v2"])


def _in_protocol(handler: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T | Response]]:
    """Return `handler` with problems answered as the protocol asks: with the member `error`, one line of text."""

    @wraps(handler)
    async def answering(*args: Any, **kwargs: Any) -> T | Response:  # noqa: ANN401 - whatever the handler takes
        try:
            return await handler(*args, **kwargs)
        except ProblemError as problem:
            request: Request = kwargs["request"]
            return error_response(problem, request.scope["request_id"], error=str(problem))

    return answering


@router.get("/health/live", summary="Liveness")
async def live() -> LiveResponse:
    return LiveResponse()


@router.get("/health/ready", summary="Readiness: whether a model is loaded", responses={503: NOT_READY})
async def ready(response: Response, service: Service) -> ReadyResponse:
    is_ready = service.reloader.live_model is not None
    response.status_code = 200 if is_ready else 503
    return ReadyResponse(ready=is_ready)


@router.get("", summary="Server metadata")
async def server() -> ServerMetadata:
    return ServerMetadata(name=NAME, version="1", extensions=["binary_tensor_data"], models=[NAME])


@router.get("/models/{name}", summary="Model metadata: inputs and outputs")
@router.get("/models/{name}/versions/{version}", include_in_schema=False)
@_in_protocol
async def model(request: Request, name: str, service: Service) -> ModelMetadata:
    loaded = _live_model(service, name, request)
    return ModelMetadata(
        name=NAME,
        versions=[str(loaded.model.version)],
        platform="onnxruntime_onnx",
        inputs=[TensorMetadata(**tensor) for tensor in inputs_of(loaded.model)],
        outputs=[TensorMetadata(**tensor) for tensor in outputs_of(loaded.model)],
    )


@router.get("/models/{name}/ready", summary="Readiness of this model")
@router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
@_in_protocol
async def model_ready(request: Request, name: str, service: Service) -> ModelReadiness:
    loaded = _live_model(service, name, request)
    return ModelReadiness(name=NAME, ready=True, version=str(loaded.model.version))


@router.post(
    "/models/{name}/infer", summary="Predict (Open Inference Protocol)", responses={200: {"model": InferResponse}}
)
@router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
@_in_protocol
async def infer(request: Request, name: str, service: Service) -> Response:
    raw = await read_body(request.receive, service.body_limits)
    loaded = _live_model(service, name, request)
    content, json_bytes = await asyncio.to_thread(_answer, service, loaded, raw, request)
    if json_bytes == len(content):
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={JSON_LENGTH_HEADER: str(json_bytes)})


def _answer(service: PredictionService, loaded: LoadedModel, raw: bytes, request: Request) -> tuple[bytes, int]:
    """Return the body of the response, and how many of its first bytes are JSON."""
    head, binary = _split(raw, request.headers.get(JSON_LENGTH_HEADER))
    model = loaded.model
    body = decode(head)
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise InvalidTensorsError("The body is not an object with a list `inputs`.")
    requested = requested_outputs(body, model)
    tensors = []
    for item in body["inputs"]:
        tensor, binary = parse_tensor(item, binary)
        tensors.append(tensor)
    rows = rows_of(model, tensors, service.settings.max_rows)
    scores = service.score_now(loaded, rows, request.scope["sender"])
    outputs, tail = output_tensors(model, scores, requested)
    client_id = body.get("id")
    answer: dict[str, Any] = {
        "model_name": NAME,
        "model_version": str(model.version),
        "id": client_id[:MAX_ID] if isinstance(client_id, str) and client_id else request.scope["request_id"],
        "outputs": outputs,
    }
    if parameters := _parameters(model, rows):
        answer["parameters"] = parameters
    answer_head = msgspec.json.encode(answer)
    return b"".join((answer_head, *tail)), len(answer_head)


def _parameters(model: Model, rows: Rows) -> dict[str, str]:
    """Return what was not understood of the rows; a parameter of the protocol is a single value, so each is one text."""
    remarks = batch_remarks(model, rows)
    matched = [f"{sent} = {name}" for sent, name in remarks.pop("matched", {}).items()]
    texts = {key: ", ".join(names) for key, names in remarks.items()}
    return {**texts, "matched": ", ".join(matched)} if matched else texts


def _split(raw: bytes, header: str | None) -> tuple[bytes, memoryview | None]:
    """Return the JSON part of a body, and the binary data after it; the header names the length of the first."""
    if header is None:
        return raw, None
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > len(raw):
        raise InvalidTensorsError(
            f"The header Inference-Header-Content-Length, {header[:40]!r}, is not a length within the body."
        )
    return raw[: int(header)], memoryview(raw)[int(header) :]


def _live_model(service: PredictionService, name: str, request: Request) -> LoadedModel:
    """Return the live model if the path names it.

    Raises UnknownModelError API-14 (404), NoModelError API-05 (503).
    """
    loaded = service.live_model
    version: str = request.path_params.get("version", "")
    if name == NAME and version in {"", str(loaded.model.version)}:
        return loaded
    raise UnknownModelError(name, version, live_name=NAME, live_version=loaded.model.version)
