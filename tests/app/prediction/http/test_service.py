"""The limits that the API sets to bodies, and the problems that it answers with."""

import asyncio

import pytest
from starlette.types import Message

from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.http.service import PredictionService
from app.prediction.reload.reloader import ModelReloader
from app.prediction.settings import ApiSettings
from app.web.body_limit import read_body, stream_body
from pipeline.core.problems import ProblemError


@pytest.fixture
def service() -> PredictionService:
    settings = ApiSettings().model_copy(update={"body_timeout_s": 0.02, "max_body_bytes": 10})
    reloader = ModelReloader(settings)
    return PredictionService(settings, reloader, RequestMetrics(reloader))


async def silent() -> Message:
    """Send nothing, as a client that has fallen silent."""
    await asyncio.Event().wait()
    raise AssertionError


async def sending_11_bytes() -> Message:
    return {"type": "http.request", "body": b"x" * 11, "more_body": False}


def test_reading_ends_with_api_06_when_the_client_falls_silent(service: PredictionService) -> None:
    with pytest.raises(ProblemError, match=r"It took more than 0\.02 s") as caught:
        asyncio.run(read_body(silent, service.body_limits))
    assert (caught.value.id, caught.value.status) == ("API-06", 408)


def test_streaming_ends_with_api_06_when_the_client_falls_silent(service: PredictionService) -> None:
    async def read() -> None:
        async for _ in stream_body(silent, service.stream_limits):
            pass

    with pytest.raises(ProblemError, match="less than 16 KB per second") as caught:
        asyncio.run(read())
    assert (caught.value.id, caught.value.status) == ("API-06", 408)


def test_reading_ends_with_api_04_when_the_body_is_too_large(service: PredictionService) -> None:
    with pytest.raises(ProblemError, match="The limit is 10 bytes") as caught:
        asyncio.run(read_body(sending_11_bytes, service.body_limits))
    assert (caught.value.id, caught.value.status) == ("API-04", 413)
