"""The page and the JSON of live data."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.panel.clock import SystemClock
from app.panel.drift import api, routes
from app.panel.drift.report import DriftReport, compare
from app.panel.drift.service import DriftService
from app.panel.pages.renderer import PageRenderer
from app.panel.services.prediction_client import PredictionClient
from app.panel.settings import Settings
from app.prediction.scoring.live_stats import LiveStats
from app.prediction.scoring.model import Model
from app.web.app_objects import provide
from bench.bundles import make_bundle

pytestmark = pytest.mark.process


def test_page_says_that_there_is_nothing_when_no_model_is_live(client: TestClient) -> None:
    page = client.get("/drift")
    assert page.status_code == 200
    assert "Nothing to compare yet" in page.text


def test_verdict_is_unknown_when_no_model_is_live(client: TestClient) -> None:
    assert client.get("/api/v1/drift").json()["verdict"] == "unknown"


def test_page_and_json_name_the_feature_when_it_has_shifted(tmp_path: Path) -> None:
    built = make_bundle(tmp_path, task="binary", version=3)
    model = Model(built.manifest, built.model, b"")
    stats = LiveStats(model)
    numeric, categorical = np.tile(built.rows.numeric, (2, 1)), np.tile(built.rows.categorical, (2, 1))
    numeric[:, 0] = np.nanmax(numeric[:, 0])
    stats.record_batch(numeric, categorical, model.score(numeric, categorical))

    class Drifted(DriftService):
        def report(self) -> DriftReport | None:
            return compare(built.manifest, stats.snapshot(), 0.2)

    app = FastAPI()
    anybody = PredictionClient(cast("Any", None))
    drift = Drifted(tmp_path, anybody, cast("Any", None), threshold=0.2, starts_run=True)
    provide(app, (Settings(), PageRenderer(Settings(), SystemClock())), {DriftService: drift})
    app.include_router(routes.router)
    app.include_router(api.router)
    with TestClient(app) as client:
        name = built.manifest.numeric[0].name
        page = client.get("/drift").text
        assert f"{name} has shifted (PSI " in page
        assert "model version 3, 1,200 rows" in page
        assert "Set API_KEY: without one anybody can send the rows that would decide." in page
        assert "Drift starts a run" not in page
        assert "DRIFT_STARTS_RUN" not in page
        body = client.get("/api/v1/drift").json()
    assert (body["verdict"], body["features"][0]["name"], body["n_rows"]) == ("drift", name, 1200)
    assert {"version", "digest", "since", "threshold", "reason", "score"} < set(body)
