"""The prediction API does what its OpenAPI document says: schemathesis sends what the document allows, and what it does not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from schemathesis.python import asgi

from app.prediction.main import create_app
from app.prediction.settings import ApiSettings
from bench.bundles import make_bundle
from bench.wait import until
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS
from tests.contracts.openapi_violations import LOOSE, violations

pytestmark = [pytest.mark.process, pytest.mark.slow]

KEY = "a key of the API that nobody knows"
MAX_ROWS = 50
# What a schema cannot say: that rows are as wide as the header, or that a tensor has as many values as its shape.
LOOSE_PATHS = ("/predict/csv", "/invocations", "/v2/models/{name}/infer")
CHECKS: Mapping[str, Any] = {"negative_data_rejection": {"expected-statuses": ["400", "404", "413", "415", "422"]}}


@pytest.fixture(autouse=True)
def stop_apps() -> Iterator[None]:
    yield
    asgi.shutdown_lifespans()


def violations_of(settings: ApiSettings, **options: Any) -> list[str]:
    """Return what the API at `settings` does that its document does not say."""
    app: Any = create_app(settings)  # schemathesis spells the type of an application in its own way
    if settings.models_dir.exists():
        with asgi.get_client(app) as client:
            until(lambda: client.get("/readyz").status_code == 200, what="the model is live", within_s=30)
    loose = [{"include-path": path, **LOOSE} for path in LOOSE_PATHS]
    return violations(app, {"checks": CHECKS, "operations": loose, **options}, min_requests=100)


@pytest.mark.parametrize("task", TASKS)
def test_the_api_keeps_to_its_document_when_a_model_is_live(tmp_path: Path, task: Task) -> None:
    built = make_bundle(tmp_path / "models", task=task)
    assert built.manifest.features
    assert violations_of(ApiSettings(models_dir=tmp_path / "models", max_rows=MAX_ROWS)) == []


def test_the_api_keeps_to_its_document_when_it_has_a_key(tmp_path: Path) -> None:
    make_bundle(tmp_path / "models")
    settings = ApiSettings(models_dir=tmp_path / "models", max_rows=MAX_ROWS, api_key=KEY)
    assert violations_of(settings, headers={"Authorization": f"Bearer {KEY}"}) == []


def test_the_api_keeps_to_its_document_when_no_model_is_live(tmp_path: Path) -> None:
    # Nothing is served, and 503 is in the document for each path that needs a model.
    checks = {**CHECKS, "not_a_server_error": {"enabled": False}, "negative_data_rejection": {"enabled": False}}
    assert violations_of(ApiSettings(models_dir=tmp_path / "models"), checks=checks) == []
