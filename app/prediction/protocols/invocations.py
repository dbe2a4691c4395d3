"""MLflow's scoring protocol: `POST /invocations`, `GET /ping`, `GET /health`, `GET /version`.

A body is JSON with exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, and perhaps
`params`, or CSV by its content type. Rows without names are taken in the order of the model's features. The answer is
`{"predictions": [{"prediction", "probability", "probabilities"}], ...}`: a DataFrame, for MLflow's own client.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app.prediction.http.content_types import CSV, media_type
from app.prediction.http.service import PredictionService, Service
from app.prediction.protocols.csv_cells import known_columns, parse_table
from app.prediction.protocols.problems import InvalidInvocationError
from app.prediction.scoring.lenient_json import decode
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.responses import batch_remarks, build_responses
from app.prediction.scoring.rows import Rows
from app.web.body_limit import read_body

PROTOCOL: Final = "2.0"  # of MLflow's scoring protocol; what `/version` answers
FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
OMITTED: Final = {"model_version", "request_id", "imputed", "unseen", "matched"}  # of rows; said once

Records = list[object]


class ScoredRow(BaseModel):
    """The prediction for one row; the probabilities of a classifier only."""

    prediction: bool | int | float | str
    probability: float | None = None
    probabilities: dict[str, float] | None = None


class InvocationResponse(BaseModel):
    """`POST /invocations`: one prediction for each row. For the OpenAPI document: msgspec writes the response.

    `imputed` and `unseen` name the features that were missing, or had a category that training has not seen, in some row;
    `matched` the features for which names were taken that were not sent as they are. Empty ones are left out.
    """

    predictions: list[ScoredRow]
    model_version: int
    request_id: str
    imputed: list[str] | None = None
    unseen: list[str] | None = None
    matched: dict[str, str] | None = None


router = APIRouter(tags=["MLflow scoring protocol"])


@router.post(
    "/invocations", summary="Predict (MLflow scoring protocol)", responses={200: {"model": InvocationResponse}}
)
async def invocations(request: Request, service: Service) -> Response:
    raw = await read_body(request.receive, service.body_limits)
    loaded = service.live_model
    content = await asyncio.to_thread(_answer, service, loaded, raw, request)
    return Response(content, media_type="application/json")


@router.get("/ping", summary="Readiness: whether a model is loaded", response_class=Response)
@router.get("/health", include_in_schema=False)
async def ping(service: Service) -> Response:
    assert service.live_model  # raises before the first model
    return Response("\n", media_type="application/json")


@router.get("/version", summary="Version of the scoring protocol", response_class=PlainTextResponse)
async def version() -> Response:
    return PlainTextResponse(PROTOCOL)


def _answer(service: PredictionService, loaded: LoadedModel, raw: bytes, request: Request) -> bytes:
    is_csv = media_type(request.headers["content-type"]) == CSV
    rows = rows_of(loaded, raw, is_csv=is_csv, min_share=service.settings.required_feature_share)
    request_id: str = request.scope["request_id"]
    scores = service.score_now(loaded, rows, request.scope["sender"])
    responses = build_responses(loaded.model, rows, scores, request_id)
    predictions = [{key: value for key, value in answer.items() if key not in OMITTED} for answer in responses]
    body = {
        "predictions": predictions,
        "model_version": loaded.model.version,
        "request_id": request_id,
        **batch_remarks(loaded.model, rows),
    }
    return msgspec.json.encode(body)


def rows_of(loaded: LoadedModel, raw: bytes, *, is_csv: bool, min_share: float = 0.0) -> Rows:
    """Return the rows of a body; a table must have at least `min_share` of the features among its columns.

    Raises API-02, -09 or -11 (400), API-03 (422), API-04 (413).
    """
    if is_csv:
        return loaded.reader.records(parse_table(raw, loaded.model, min_share))
    body = decode(raw)
    records = records_of(body, loaded.model.names)
    if isinstance(body, dict) and "dataframe_split" in body and records and isinstance(records[0], Mapping):
        known_columns([*records[0]], loaded.model, min_share)
    return loaded.reader.records(records)


def records_of(body: object, names: Sequence[str]) -> Records:
    """Return the records in a parsed JSON body; `names` are the feature names, for rows without names. Raises API-11."""
    if not isinstance(body, dict):
        raise InvalidInvocationError("The body is not an object.")
    formats = [name for name in FORMATS if name in body]
    if len(formats) != 1:
        raise InvalidInvocationError(f"It has {' and '.join(formats) or 'none of them'}.")
    unknown = sorted(set(body) - {*FORMATS, "params", "signature_name"})
    if unknown:
        raise InvalidInvocationError(f"Unexpected fields: {', '.join(unknown)[:200]}.")
    if not isinstance(body.get("params", {}), dict | None):
        raise InvalidInvocationError("`params` is not an object.")
    rows = body[formats[0]]
    if formats[0] == "dataframe_split":
        return _split(rows, names)
    if formats[0] == "dataframe_records":
        if not isinstance(rows, list):
            raise InvalidInvocationError("`dataframe_records` is not a list of records.")
        return rows
    return _columns(rows) if isinstance(rows, dict) else _rows(rows, names)


def _split(frame: object, names: Sequence[str]) -> Records:
    if not isinstance(frame, dict) or not isinstance(frame.get("data"), list):
        raise InvalidInvocationError("`dataframe_split` has no list `data`.")
    columns = frame.get("columns", names)
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise InvalidInvocationError("`columns` is not a list of names.")
    if len(set(columns)) < len(columns):
        raise InvalidInvocationError("`columns` has duplicate names.")
    return [_named(row, columns, i) for i, row in enumerate(frame["data"])]


def _rows(rows: object, names: Sequence[str]) -> Records:
    """Return the records of a list of records or of rows without names, of one such row, or of single values for one feature."""
    if not isinstance(rows, list):
        raise InvalidInvocationError("The rows must be a list, or an object of columns.")
    if rows and not any(isinstance(row, list | dict) for row in rows):
        # For a model of one feature each value can only be a row.
        rows = [[value] for value in rows] if len(names) == 1 else [rows]
    return [row if isinstance(row, dict) else _named(row, names, i) for i, row in enumerate(rows)]


def _named(row: object, names: Sequence[str], i: int) -> Mapping[str, object]:
    if not isinstance(row, list) or len(row) != len(names):
        width = len(row) if isinstance(row, list) else "no"
        raise InvalidInvocationError(f"Row {i} has {width} values for {len(names)} columns: {', '.join(names[:50])}.")
    return dict(zip(names, row, strict=True))


def _columns(columns: Mapping[str, Any]) -> Records:
    """Return the records of an object of columns (lists of values, or of lists of one), or of single values: one record."""
    if not any(isinstance(values, list) for values in columns.values()):
        return [columns]
    if not all(isinstance(values, list) for values in columns.values()):
        raise InvalidInvocationError("Some columns are lists and others single values.")
    n_rows = {len(values) for values in columns.values()}
    if len(n_rows) != 1:
        raise InvalidInvocationError(f"The columns have different lengths: {', '.join(map(str, sorted(n_rows)[:10]))}.")
    flat = {name: [_unwrapped(value) for value in values] for name, values in columns.items()}
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]


def _unwrapped(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
