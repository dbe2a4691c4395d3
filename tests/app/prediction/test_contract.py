"""The real API writes what `pipeline.core.prediction_api` declares, member by member."""

from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from app.web.prediction_api import (
    MANIFEST,
    READINESS,
    STATS,
    ApiRequest,
    curve,
    explain,
    predict,
    predict_many,
)
from bench.bundles import Built, records
from pipeline.core.params import Task
from pipeline.core.prediction_api import Curve, Explanation, Prediction
from tests.app.prediction.conftest import TASKS, Api

pytestmark = pytest.mark.process


def _send(api: Api, request: ApiRequest[Any]) -> httpx2.Response:
    headers = {"Content-Type": request.content_type}
    return api.client.request(request.method, request.path, content=request.body, headers=headers)


def _names(model: type[BaseModel]) -> set[str]:
    return {str(field.serialization_alias or name) for name, field in model.model_fields.items()}


@pytest.mark.parametrize("task", TASKS)
def test_responses_are_read_and_have_no_other_members_when_the_api_writes_them(
    served: dict[Task, tuple[Api, Built]], task: Task
) -> None:
    api, built = served[task]
    record = records(built, 1)[0]
    requests: list[tuple[ApiRequest[Any], type[BaseModel]]] = [
        (predict(record), Prediction),
        (explain(record), Explanation),
        (curve(record, built.manifest.features[0].name), Curve),
    ]
    for request, model in requests:
        response = _send(api, request)
        assert isinstance(request.parse(response.content), model)
        assert set(response.json()) <= _names(model)
    assert len(predict_many([record] * 3).parse(_send(api, predict_many([record] * 3)).content)) == 3
    assert MANIFEST.parse(_send(api, MANIFEST).content) == built.manifest
    readiness, stats = _send(api, READINESS), _send(api, STATS)
    assert READINESS.parse(readiness.content).model_dump() == readiness.json()
    assert STATS.parse(stats.content).model_dump() == stats.json()
