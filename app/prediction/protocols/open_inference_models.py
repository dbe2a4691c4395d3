"""The responses of the Open Inference Protocol, as its specification names them.

InferResponse is for the OpenAPI document only: msgspec writes tensors.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class LiveResponse(_Response):
    """`GET /v2/health/live`."""

    live: bool = True


class ReadyResponse(_Response):
    """`GET /v2/health/ready`: 200 with a model, 503 without one."""

    ready: bool


class ServerMetadata(_Response):
    """`GET /v2`."""

    name: str
    version: str
    extensions: list[str]
    models: list[str]


class TensorMetadata(_Response):
    """An input or output; -1 in `shape` is a dimension of any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Response):
    """`GET /v2/models/{name}`."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReadiness(_Response):
    """`GET /v2/models/{name}/ready`."""

    name: str
    ready: bool
    version: str


class ResponseTensor(_Response):
    """An output with its values in `data`, or behind the JSON: then `parameters.binary_data_size` has their bytes."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, int] | None = None


class InferResponse(_Response):
    """`POST /v2/models/{name}/infer`. `parameters` name the features that were `imputed` or have an `unseen` category in
    some row, and the names that were `matched` though they were not sent as they are.
    """

    model_name: str
    model_version: str
    id: str
    outputs: list[ResponseTensor]
    parameters: dict[str, str] | None = None
