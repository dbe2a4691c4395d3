"""The servers that serving is compared with. `python -m bench.serving_peers KIND PORT FOLDER` serves until it is ended.

bare      uvicorn, JSON parsed, a constant answer: the limit
fastapi   FastAPI route, pydantic body, the same model in onnxruntime
starlette Starlette route, JSON parsed, the same model in onnxruntime
reference the way of the stack that this replaces: FastAPI, sync endpoint, unpickled imputer, scaler and model
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import create_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

BODY = b'{"prediction":0,"probability":0.397,"probabilities":{"0":0.603,"1":0.397},"threshold":0.4,"model_version":7}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Return a constant response."""
    if scope["type"] == "http":
        json.loads((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


def _session(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(next(folder.glob("models/versions/*/model.onnx")).read_bytes(), options)


def _row_type(folder: Path) -> type[Any]:
    names = json.loads((folder / "names.json").read_text("utf-8"))
    fields: dict[str, Any] = dict.fromkeys(names, (float | None, None))
    row_type: type[Any] = create_model("Row", **fields)
    return row_type


def fastapi_route(folder: Path) -> FastAPI:
    """Return a server with a pydantic body and an async endpoint."""
    app, session, row_type = FastAPI(), _session(folder), _row_type(folder)

    @app.post("/predict")
    async def predict(row: row_type) -> dict[str, Any]:  # type: ignore[valid-type]  # built at run time
        values = [np.nan if value is None else value for value in row.model_dump().values()]  # type: ignore[attr-defined]
        scores = session.run(None, {"numeric": np.array([values], dtype=np.float32)})[0]
        return {"prediction": int(scores[0, 1] >= 0.4), "probability": float(scores[0, 1])}

    return app


def starlette_route(folder: Path) -> Starlette:
    """JSON by the standard library."""
    session = _session(folder)
    names = json.loads((folder / "names.json").read_text("utf-8"))

    async def predict(request: Request) -> JSONResponse:
        row = await request.json()
        scores = session.run(
            None, {"numeric": np.array([[row.get(name, np.nan) for name in names]], dtype=np.float32)}
        )[0]
        return JSONResponse({"prediction": int(scores[0, 1] >= 0.4), "probability": float(scores[0, 1])})

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


def reference(folder: Path) -> FastAPI:
    """Three unpickled objects and a DataFrame a request."""
    app, row_type = FastAPI(), _row_type(folder)
    imputer, scaler, model = (
        pickle.loads((folder / f"{name}.pkl").read_bytes()) for name in ("imputer", "scaler", "model")
    )

    @app.post("/predict")
    def predict(row: row_type) -> dict[str, Any]:  # type: ignore[valid-type]  # built at run time
        frame = pd.DataFrame([row.model_dump()])  # type: ignore[attr-defined]
        scores = model.predict_proba(scaler.transform(imputer.transform(frame)))
        return {"prediction": int(scores[0, 1] >= 0.5), "probability": float(scores[0, 1])}

    return app


def main() -> None:
    """Serve what the command line names."""
    kind, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    apps: dict[str, Any] = {"fastapi": fastapi_route, "starlette": starlette_route, "reference": reference}
    app: ASGIApp = bare if kind == "bare" else apps[kind](folder)
    uvicorn.run(app, port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
