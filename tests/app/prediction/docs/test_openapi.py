"""The OpenAPI document of a real API with a live model."""

from pathlib import Path

import pytest

from bench.bundles import Built
from pipeline.core.params import Task
from tests.app.prediction.conftest import Api, StartApi

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


def test_the_key_is_asked_for_where_it_is_needed_when_the_api_has_one(tmp_path: Path, start_api: StartApi) -> None:
    documents = {}
    for key in ("", "s3cret"):
        with start_api(tmp_path / "models", **({"API_KEY": key} if key else {})) as api:
            documents[key] = api.client.get("/openapi.json").json()
    assert "securitySchemes" not in documents[""]["components"]
    assert "security" not in str(documents[""]["paths"])
    paths = documents["s3cret"]["paths"]
    locked = {path for path, methods in paths.items() if any("security" in route for route in methods.values())}
    posts = {path for path, methods in paths.items() if "post" in methods}
    assert locked == posts | {"/model", "/stats"}
    assert all({"401", "429"} <= route["responses"].keys() for path in locked for route in paths[path].values())
