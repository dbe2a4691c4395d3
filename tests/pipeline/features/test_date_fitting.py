"""Dates become features that a model learns from, and that serving computes alike."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from pipeline.core.bundle import read_manifest
from pipeline.core.params import Params
from pipeline.features.processed_dataset import load_meta
from tests.pipeline.cycle import run_stages


def rides(n: int = 3000) -> pd.DataFrame:
    """Return hourly rides that depend on hour and weekday, some without a time, beside a column of noise."""
    rng = np.random.default_rng(0)
    moments = [
        datetime.fromisoformat("2021-01-01") + timedelta(hours=int(h)) for h in np.sort(rng.integers(0, 24 * 700, n))
    ]
    rush = np.array([100 * np.exp(-(((m.hour - 17) / 3) ** 2)) + 30 * (m.weekday() >= 5) for m in moments])
    texts = [f"{m:%d.%m.%Y %H:%M}" if i % 50 else "" for i, m in enumerate(moments)]
    return pd.DataFrame({"when": texts, "noise": rng.normal(size=n), "rides": rush + rng.normal(size=n)})


@pytest.mark.process
@pytest.mark.parametrize(("estimator", "least"), [("hist_gradient_boosting", 0.95), ("linear", 0.5)])
def test_a_model_learns_from_hours_and_weekdays_when_the_table_has_dates(
    tmp_path: Path, estimator: str, least: float
) -> None:
    cycle = run_stages(tmp_path, rides(), Params(target="rides", estimator=estimator))
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.metrics["r2"] > least
    bundle = cycle.run_dir / "bundle"
    manifest = read_manifest(bundle)
    (when,) = (feature for feature in manifest.features if feature.name == "when")
    assert (when.kind, when.reading.date_order) == ("date", "dmy")
    assert when.earliest < when.middle < when.latest
    assert max(manifest.importances, key=lambda name: manifest.importances[name]) == "when"
    processed = next(path for path in (tmp_path / "data" / "processed").iterdir() if (path / "prepare.json").exists())
    sources = load_meta(processed).sources
    assert sources["when (hour)"] == sources["when (missing)"] == ["when"]
    model = Model(manifest, (bundle / "model.onnx").read_bytes(), b"")
    model.check_golden()
    reader = RowReader(model, 10)
    ways = ["14.06.2022 17:30", "2022-06-14T17:30:00", " 14 June 2022 5:30 PM"]
    rows = reader.records([{"when": text, "noise": 0.5} for text in ways])
    scores = model.score(rows.numeric, rows.categorical)[:, 0].tolist()
    assert scores == [scores[0]] * 3
    assert reader.records([{"when": None}, {"when": "n/a"}]).missing(model) == [["noise", "when"]] * 2
