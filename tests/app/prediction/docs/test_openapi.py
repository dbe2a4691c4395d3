"""The OpenAPI document of a real API with a live model."""

import pytest

from bench.bundles import Built
from pipeline.core.params import Task
from tests.app.prediction.conftest import Api

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("task", "metric"), [("binary", "ROC AUC"), ("multiclass", "accuracy"), ("regression", "R²")])
def test_the_description_names_estimator_and_metric_as_pages_do_when_a_model_is_live(
    served: dict[Task, tuple[Api, Built]], task: Task, metric: str
) -> None:
    api, _ = served[task]
    description = api.client.get("/openapi.json").json()["info"]["description"]
    assert description.startswith(
        f"Version 7, Histogram gradient boosting, trained on 600 rows, {metric} 0.8 on 600 test rows. "
    )


def test_no_route_is_left_without_a_group_when_the_docs_are_drawn(served: dict[Task, tuple[Api, Built]]) -> None:
    api, _ = served["binary"]
    paths = api.client.get("/openapi.json").json()["paths"]
    assert [path for path, methods in paths.items() if not all(route.get("tags") for route in methods.values())] == []
