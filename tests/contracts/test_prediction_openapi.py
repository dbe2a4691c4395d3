"""The prediction API does what its OpenAPI document says: schemathesis sends what the document allows, and what it does not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi

from app.prediction.main import create_app
from app.prediction.settings import ApiSettings
from bench.bundles import make_bundle
from bench.wait import until
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS

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


def violations(settings: ApiSettings, **config: Any) -> list[str]:
    """Return what the API at `settings` does that its document does not say; the same requests each time."""
    app: Any = create_app(settings)  # schemathesis spells the type of an application in its own way
    if settings.models_dir.exists():
        with asgi.get_client(app) as client:
            until(lambda: client.get("/readyz").status_code == 200, what="the model is live", within_s=30)
    options = {
        "seed": 1,
        "workers": 1,
        "generation": {"deterministic": True, "max-examples": 10, "database": "none", "no-shrink": True},
        "phases": {"stateful": {"enabled": False}},
        "checks": CHECKS,
        "operations": [
            {"include-path": path, "checks": {"positive_data_acceptance": {"enabled": False}}} for path in LOOSE_PATHS
        ],
        **config,
    }
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=SchemathesisConfig.from_dict(options))
    found: list[str] = []
    n_requests = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            n_requests += len(event.recorder.interactions)
            for check in (each for checks in event.recorder.checks.values() for each in checks if each.failure_info):
                assert check.failure_info is not None
                failure = check.failure_info.failure
                request = check.failure_info.code_sample
                found.append(f"{event.recorder.label}: {failure.title}. {failure.message}\n{request[:500]}")
        elif isinstance(event, events.NonFatalError):
            found.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    assert n_requests > 100
    return found


@pytest.mark.parametrize("task", TASKS)
def test_the_api_keeps_to_its_document_when_a_model_is_live(tmp_path: Path, task: Task) -> None:
    built = make_bundle(tmp_path / "models", task=task)
    assert built.manifest.features
    assert violations(ApiSettings(models_dir=tmp_path / "models", max_rows=MAX_ROWS)) == []


def test_the_api_keeps_to_its_document_when_it_has_a_key(tmp_path: Path) -> None:
    make_bundle(tmp_path / "models")
    settings = ApiSettings(models_dir=tmp_path / "models", max_rows=MAX_ROWS, api_key=KEY)
    assert violations(settings, headers={"Authorization": f"Bearer {KEY}"}) == []


def test_the_api_keeps_to_its_document_when_no_model_is_live(tmp_path: Path) -> None:
    # Nothing is served, and 503 is in the document for each path that needs a model.
    checks = {**CHECKS, "not_a_server_error": {"enabled": False}, "negative_data_rejection": {"enabled": False}}
    assert violations(ApiSettings(models_dir=tmp_path / "models"), checks=checks) == []
