"""The Open Inference Protocol, version 2, over HTTP and JSON, with the binary tensor data extension.

The model is called `automated-ml-pipeline`, as in MLflow's registry; its versions are those of the models. Errors also
have the member `error`, which the protocol asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.prediction.http.error_responses import refusal
from app.prediction.http.service import PredictionService
from app.prediction.problems import InvalidTensorsError, UnknownModelError
from app.prediction.protocols.tensors import RequestedOutput, inputs_of, output_tensors, outputs_of, rows_of, tensor
from app.prediction.scoring.lenient_json import decode
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import Model
from app.web.body_limit import read_body
from pipeline.core.problems import ProblemError
from pipeline.core.product import NAME

HEADER_LENGTH: Final = "inference-header-content-length"
MAX_ID: Final = 200

Handler = Callable[..., Awaitable[Response]]


def router(service: PredictionService) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol v2"])

    @routes.get("/health/live", summary="Is the server alive?")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get("/health/ready", summary="Is there a model to answer with?")
    async def ready() -> JSONResponse:
        is_ready = service.reloader.live_model is not None
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    @routes.get("", summary="The server")
    async def server() -> dict[str, Any]:
        return {"name": NAME, "version": "1", "extensions": ["binary_tensor_data"], "models": [NAME]}

    @routes.get("/models/{name}", summary="The live model: its inputs and outputs")
    @routes.get("/models/{name}/versions/{version}", include_in_schema=False)
    @_in_protocol
    async def model(request: Request, name: str) -> Response:
        loaded = _live_model(service, name, request)
        found = {
            "name": NAME,
            "versions": [str(loaded.model.version)],
            "platform": "onnxruntime_onnx",
            "inputs": inputs_of(loaded.model),
            "outputs": outputs_of(loaded.model),
        }
        return JSONResponse(found)

    @routes.get("/models/{name}/ready", summary="Is this the live model?")
    @routes.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
    @_in_protocol
    async def model_ready(request: Request, name: str) -> Response:
        loaded = _live_model(service, name, request)
        return JSONResponse({"name": NAME, "ready": True, "version": str(loaded.model.version)})

    @routes.post("/models/{name}/infer", summary="Predict, in the Open Inference Protocol")
    @routes.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    @_in_protocol
    async def infer(request: Request, name: str) -> Response:
        raw = await read_body(request.receive, service.body_limits)
        loaded = _live_model(service, name, request)
        header = request.headers.get(HEADER_LENGTH)
        content, json_bytes = await asyncio.to_thread(
            _answer, service, loaded, raw, header, request.scope["request_id"]
        )
        if json_bytes == len(content):
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={HEADER_LENGTH: str(json_bytes)})

    return routes


def _answer(
    service: PredictionService, loaded: LoadedModel, raw: bytes, header: str | None, request_id: str
) -> tuple[bytes, int]:
    """The answer's body, and how many bytes of it, from the start, are JSON."""
    body, binary = _split(raw, header)
    model = loaded.model
    request = decode(body)
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise InvalidTensorsError("The body is not an object with a list `inputs`.")
    wanted = _requested_outputs(request, model)
    tensors = []
    for given in request["inputs"]:
        found, binary = tensor(given, binary)
        tensors.append(found)
    rows = rows_of(model, tensors, service.settings.max_rows)
    scores = service.score_now(loaded, rows)
    outputs, tail = output_tensors(model, scores, wanted)
    given_id = request.get("id")
    answer = {
        "model_name": NAME,
        "model_version": str(model.version),
        "id": given_id[:MAX_ID] if isinstance(given_id, str) and given_id else request_id,
        "outputs": outputs,
    }
    head = msgspec.json.encode(answer)
    return b"".join((head, *tail)), len(head)


def _split(raw: bytes, header: str | None) -> tuple[bytes, memoryview | None]:
    """The JSON part of a body, and the binary data behind it, whose start the header names."""
    if header is None:
        return raw, None
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > len(raw):
        raise InvalidTensorsError(
            f"The header Inference-Header-Content-Length, {header[:40]!r}, is no length within the body."
        )
    return raw[: int(header)], memoryview(raw)[int(header) :]


def _requested_outputs(request: Mapping[str, Any], model: Model) -> list[RequestedOutput]:
    """The outputs that a request asks for; all if it names none. As bytes where it says so, for one or for all."""
    known = [str(output["name"]) for output in outputs_of(model)]
    by_default = _parameter(request, "binary_data_output")
    outputs = request.get("outputs")
    if not outputs:
        return [RequestedOutput(name, by_default) for name in known]
    wanted: list[RequestedOutput] = []
    for output in outputs if isinstance(outputs, list) else [outputs]:
        name = output.get("name") if isinstance(output, dict) else None
        if name not in known:
            raise InvalidTensorsError(f"There is no output {str(name)[:100]!r}; there are {', '.join(known)}.")
        if any(name == each.name for each in wanted):
            raise InvalidTensorsError(f"The output {name!r} is asked for twice.")
        wanted.append(RequestedOutput(str(name), _parameter(output, "binary_data", default=by_default)))
    return wanted


def _parameter(of: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    parameters = of.get("parameters")
    given = parameters.get(name) if isinstance(parameters, Mapping) else None
    if given is not None and not isinstance(given, bool):
        raise InvalidTensorsError(f"The parameter {name!r} is neither true nor false.")
    return default if given is None else given


def _live_model(service: PredictionService, name: str, request: Request) -> LoadedModel:
    """The live model, if it is the one that the path names. Raises UnknownModelError API-14 (404), NoModelError API-05 (503)."""
    loaded = service.live_model
    version: str = request.path_params.get("version", "")
    if name == NAME and version in {"", str(loaded.model.version)}:
        return loaded
    raise UnknownModelError(name, version, live_name=NAME, live_version=loaded.model.version)


def _in_protocol(handler: Handler) -> Handler:
    """Errors with the member `error`, one line of text."""

    @wraps(handler)
    async def answering(*args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - whatever the handler takes
        try:
            return await handler(*args, **kwargs)
        except ProblemError as problem:
            request: Request = kwargs["request"]
            return refusal(problem, request.scope["request_id"], error=str(problem))

    return answering
