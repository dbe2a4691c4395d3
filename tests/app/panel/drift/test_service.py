"""Live data against training data, with a real model, the real API's counts and a real history of runs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from app.panel.drift.report import MIN_ROWS, DriftReport, compare, compare_counts
from app.panel.drift.service import DriftService
from app.panel.runs.domain.service import RunService
from app.panel.services.prediction_client import PredictionClient
from app.prediction.scoring.live_stats import LiveStats
from app.prediction.scoring.model import Model
from bench.bundles import Built, make_bundle
from pipeline.core.bundle import read_manifest, read_model
from pipeline.core.manifest import Manifest
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import running

pytestmark = pytest.mark.process
THRESHOLD = 0.2


@dataclass
class Scene:
    """A loaded bundle and what it has seen."""

    built: Built
    model: Model
    stats: LiveStats

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest

    def see(self, change: Callable[[Any, Any], None] | None = None) -> DriftReport:
        """Score the training rows, changed by `change(numeric, categorical)`, and report."""
        numeric = np.tile(self.built.rows.numeric, (2, 1))
        categorical = np.tile(self.built.rows.categorical, (2, 1))
        if change is not None:
            change(numeric, categorical)
        self.stats.record_batch(numeric, categorical, self.model.score(numeric, categorical))
        return compare(self.manifest, self.stats.snapshot(), THRESHOLD)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    built = make_bundle(tmp_path, task="binary", version=3)
    manifest = read_manifest(built.folder)
    model = Model(manifest, read_model(built.folder, manifest), b"")
    return Scene(built, model, LiveStats(model))


def test_verdict_is_none_when_live_rows_are_the_training_rows(scene: Scene) -> None:
    report = scene.see()
    assert report.n_rows >= MIN_ROWS
    assert (report.verdict, report.version) == ("none", 3)
    assert not any(each.has_drifted for each in report.features)


def test_verdict_names_the_feature_when_its_values_shift(scene: Scene) -> None:
    name = scene.manifest.numeric[0].name

    def shift(numeric: Any, categorical: Any) -> None:
        numeric[:, 0] = np.nanmax(numeric[:, 0])

    report = scene.see(shift)
    assert report.verdict == "drift"
    assert report.features[0].name == name
    assert report.features[0].has_drifted
    assert name in report.reason or "score" in report.reason


def test_verdict_is_drift_when_a_feature_stops_coming(scene: Scene) -> None:
    def drop(numeric: Any, categorical: Any) -> None:
        numeric[:, 0] = np.nan

    report = scene.see(drop)
    assert report.features[0].missing_share_live == 1
    assert report.verdict == "drift"


def test_verdict_is_drift_when_categories_were_never_seen(scene: Scene) -> None:
    def strange(numeric: Any, categorical: Any) -> None:
        categorical[:, 0] = "Atlantis"

    report = scene.see(strange)
    assert report.verdict == "drift"
    assert report.features[0].outside_share == 1


def test_there_is_no_verdict_when_rows_are_few(scene: Scene) -> None:
    numeric, categorical = scene.built.rows.numeric[:10], scene.built.rows.categorical[:10]
    scene.stats.record_batch(numeric, categorical, scene.model.score(numeric, categorical))
    report = compare(scene.manifest, scene.stats.snapshot(), THRESHOLD)
    assert report.verdict == "too few rows"
    assert not report.score.has_drifted


def test_few_alarms_are_false_when_the_training_table_was_small() -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)

    def alarm() -> bool:
        training, live = (rng.multinomial(n_rows, shares).tolist() for n_rows in (80, MIN_ROWS))
        return compare_counts("x", training, live, MIN_ROWS, THRESHOLD).has_drifted

    assert sum(alarm() for _ in range(500)) <= 10
    moved = rng.multinomial(MIN_ROWS, [0.02] * 5 + [0.18] * 5).tolist()
    assert compare_counts("x", [8] * 10, moved, MIN_ROWS, THRESHOLD).has_drifted


@dataclass
class Starts:
    """Stands where runs are started; refuses while `busy`."""

    busy: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    def start(self, trigger: str, **more: Any) -> None:
        if self.busy:
            raise ProblemError.restore({"id": "RUN-01", "what": "A run is active."}, status=409)
        self.calls.append({"trigger": trigger, **more})


class _Drifted(DriftService):
    """A service whose live data have drifted."""

    stubbed: DriftReport | None = None

    def report(self) -> DriftReport | None:
        return self.stubbed


def test_one_run_is_started_when_data_have_drifted(scene: Scene, tmp_path: Path) -> None:
    def shift(numeric: Any, categorical: Any) -> None:
        numeric[:, 0] = np.nanmax(numeric[:, 0])

    starts = Starts(busy=True)
    client = PredictionClient(cast("Any", None), "s3cret")
    drift = _Drifted(tmp_path, client, cast("RunService", starts), threshold=THRESHOLD, starts_run=True)
    drift.check_once()
    drift.stubbed = scene.see(shift)
    drift.check_once()
    assert starts.calls == []
    starts.busy = False
    drift.check_once()
    drift.check_once()
    assert starts.calls == [{"trigger": "drift", "force": True, "requested_by": "drift"}]


def test_no_run_is_started_when_anybody_can_send_the_rows_that_would_decide(scene: Scene, tmp_path: Path) -> None:
    """Without a key of the API the rows come from anybody who reaches it."""
    starts = Starts()
    client = PredictionClient(cast("Any", None))
    drift = _Drifted(tmp_path, client, cast("RunService", starts), threshold=THRESHOLD, starts_run=True)
    drift.stubbed = scene.see(lambda numeric, _: numeric.fill(1e6))
    assert drift.stubbed.verdict == "drift"
    asyncio.run(drift.start())
    drift.check_once()
    assert starts.calls == []
    assert (drift.starts_run, drift.needs_key) == (False, True)


@pytest.mark.parametrize(
    ("starts_run", "key", "expected"),
    [(True, "s3cret", (True, False)), (False, "", (False, False)), (False, "s3cret", (False, False))],
)
def test_the_key_is_only_missed_when_drift_should_start_runs(
    tmp_path: Path, starts_run: bool, key: str, expected: tuple[bool, bool]
) -> None:
    client = PredictionClient(cast("Any", None), key)
    drift = DriftService(tmp_path, client, cast("Any", None), threshold=THRESHOLD, starts_run=starts_run)
    assert (drift.starts_run, drift.needs_key) == expected


def test_there_is_no_report_when_there_is_no_model(tmp_path: Path) -> None:
    client = PredictionClient(cast("Any", None))
    drift = DriftService(tmp_path, client, cast("Any", None), threshold=THRESHOLD, starts_run=False)
    assert drift.report() is None


def test_report_is_made_when_the_api_has_a_key(tmp_path: Path) -> None:
    models = tmp_path / "models"
    make_bundle(models, task="binary", version=1)
    with running(models, API_KEY="s3cret") as api:
        api.wait_for(1)

        class Address:
            def url(self, _name: str) -> str:
                return f"http://127.0.0.1:{api.port}"

        def report_with(key: str) -> DriftReport | None:
            runs = cast("RunService", None)
            client = PredictionClient(Address(), key)
            return DriftService(models, client, runs, threshold=THRESHOLD, starts_run=False).report()

        assert report_with("s3cret") is not None
        assert report_with("") is None
