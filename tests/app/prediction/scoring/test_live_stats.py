"""The API's reports about itself: histograms of live rows, metrics, documents."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.live_stats import BUFFER_ROWS, LiveStats
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import Model
from app.prediction.settings import ApiSettings
from bench.bundles import CATEGORICAL_NAME, make_bundle, records
from pipeline.core.manifest import Histogram
from pipeline.core.pointer import write_pointer
from tests.app.prediction.conftest import TASKS, StartApi

pytestmark = pytest.mark.process


def test_counts_are_those_of_the_training_bins_whichever_way_rows_came(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    model = Model(built.manifest, built.model, b"")
    scores = model.score(built.rows.numeric, built.rows.categorical)
    whole, single = LiveStats(model), LiveStats(model)
    for _ in range(3):  # more than the buffer holds
        whole.record_batch(built.rows.numeric, built.rows.categorical, scores)
    for numeric, text, score in zip(
        built.rows.numeric.tolist(), built.rows.categorical.tolist(), scores.tolist(), strict=True
    ):
        values = [None if np.isnan(value) else value for value in numeric]
        for _ in range(3):
            single.record((*values, text[0] or None), score)
    snapshot = whole.snapshot().model_dump()
    assert snapshot["n"] == 3 * len(scores) > BUFFER_ROWS
    assert {**single.snapshot().model_dump(), "since": ""} == {**snapshot, "since": ""}
    for feature in built.manifest.numeric:
        assert feature.histogram is not None
        seen = snapshot["features"][feature.name]
        assert seen["counts"] == [3 * count for count in feature.histogram.counts]
        assert seen["out_of_range"] == 0
        assert sum(seen["counts"]) + seen["missing"] == snapshot["n"]
    city = snapshot["features"][CATEGORICAL_NAME]
    assert city["counts"] == [3 * count for count in built.manifest.categorical[0].category_counts]
    assert sum(snapshot["score"]["counts"]) == snapshot["n"]


def test_values_at_the_edge_of_a_bin_are_counted_as_in_training_when_the_edge_is_no_float32(tmp_path: Path) -> None:
    model = Model((built := make_bundle(tmp_path)).manifest, built.model, b"")
    feature = model.numeric[0]
    assert feature.histogram is not None
    edges = np.array(feature.histogram.edges)
    near = edges.astype(np.float32)
    values = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    stats = LiveStats(model)
    numeric, categorical = model.empty(len(values))
    numeric[:, 0] = values
    stats.record_batch(numeric, categorical, model.score(numeric, categorical))
    expected, _ = np.histogram(np.clip(values.astype(np.float64), edges[0], edges[-1]), edges)
    assert stats.snapshot().model_dump()["features"][feature.name]["counts"] == expected.tolist()


def test_values_beyond_training_are_counted_when_they_come(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    stats = LiveStats(Model(built.manifest, built.model, b""))
    stats.record((1e9, None, 50.0, 1.0, "Atlantis"), [0.5, 0.5])
    features = stats.snapshot().model_dump()["features"]
    assert features["age"]["out_of_range"] == 1
    assert features["age"]["counts"][-1] == 1
    assert features["Income (EUR)"]["missing"] == 1
    assert features[CATEGORICAL_NAME]["unseen"] == 1


def test_stats_and_metrics_count_what_was_answered_and_start_over_with_a_model(
    tmp_path: Path, start_api: StartApi
) -> None:
    models = tmp_path / "models"
    first, second = (make_bundle(models, version=v, seed=v, live=v == 1) for v in (1, 2))
    with start_api(models) as api:
        api.wait_for(1)
        for record in records(first, 5):
            api.predict(record)
        api.predict(records(first, 20))
        api.predict({"x": 1})
        api.client.post("/explain", json={})
        assert api.client.get("/stats").json()["n"] == 25
        families = {family.name: family for family in text_string_to_metric_families(api.client.get("/metrics").text)}
        requests = {tuple(s.labels.values()): s.value for s in families["api_requests"].samples}
        assert requests["/predict", "200"] == 6
        assert requests["/predict", "422"] == 1
        latency = {
            s.labels["le"]: s.value
            for s in families["api_request_seconds"].samples
            if s.labels.get("route") == "/predict" and "le" in s.labels
        }
        assert latency["+Inf"] == 7
        (info,) = families["api_model_version"].samples
        assert info.labels["version"] == "1"
        assert families["api_rows"].samples[0].value == 25
        named = {s.labels["feature"] for s in families["api_feature_missing"].samples}
        assert named == {feature.name for feature in first.manifest.features}
        scores = [s for s in families["api_score"].samples if s.labels.get("le") == "+Inf"]
        assert scores[0].value == 25
        write_pointer(models, second.pointer)
        api.wait_for(2)
        assert api.client.get("/stats").json()["n"] == 0
        assert api.client.get("/stats").json()["version"] == 2


def _without_schema(document: dict[str, Any]) -> set[str]:
    """Return the paths whose JSON response is not described."""
    return {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for kind, content in operation["responses"]["200"].get("content", {}).items()
        if kind == "application/json" and not content["schema"]
    }


def _dangling(document: dict[str, Any]) -> set[str]:
    """References within the document to what it does not have."""
    used = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    return used - set(document["components"]["schemas"])


def test_the_documents_name_the_real_features_and_their_examples_run(tmp_path: Path, start_api: StartApi) -> None:
    for task in TASKS:
        models = tmp_path / task / "models"
        built = make_bundle(models, task=task)
        with start_api(models) as api:
            api.wait_for(1)
            document = api.client.get("/openapi.json").json()
            assert _dangling(document) == set()
            assert _without_schema(document) == set()
            assert "version" not in str(document["paths"]["/v2/models/{name}/infer"]["post"]["parameters"])
            properties = document["components"]["schemas"]["Record"]["properties"]
            features = [feature.name for feature in built.manifest.features]
            assert list(properties) == [*features, *built.manifest.left_out]
            assert "years" in properties["age"]["description"]
            assert properties["age"]["minimum"] < -3e38  # the usual range is a hint, not a limit
            sent = 0
            for path, methods in document["paths"].items():
                for kind, content in methods.get("post", {}).get("requestBody", {}).get("content", {}).items():
                    if kind == "application/octet-stream":  # JSON and then bytes, which no document can show
                        continue
                    examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
                    for example in examples:
                        url = path.replace("{name}", "automated-ml-pipeline")
                        if kind == "text/csv":
                            response = api.client.post(url, content=example, headers={"Content-Type": kind})
                        else:
                            response = api.client.post(url, json=example)
                        assert response.status_code == 200, (path, response.text)
                        sent += 1
            assert sent == 11
            page = api.client.get("/docs").text
            for link in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
                assert api.client.get(link).status_code == 200
            assert "//" not in re.sub(r"<!doctype html>", "", page)  # nothing from elsewhere


def test_metrics_are_written_without_the_score_when_its_histogram_has_no_bins(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    manifest = built.manifest.model_copy(update={"score_histogram": Histogram(edges=[], counts=[])})
    reloader = ModelReloader(ApiSettings())
    reloader.live_model = LoadedModel.of(Model(manifest, built.model, b""), 10)
    text = RequestMetrics(reloader).text().decode()
    assert "api_model_version" in text
    assert "api_score" not in text
