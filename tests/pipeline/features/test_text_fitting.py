"""Texts become features that a model learns from, and that serving computes alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from pipeline.core.bundle import read_manifest
from pipeline.core.params import ColumnOptions, Params
from pipeline.features.processed_dataset import load_meta
from tests.pipeline.cycle import run_stages

N = 1500
SUBJECTS = ["The room", "Breakfast", "Our waiter", "The view", "Parking", "The bathroom", "Check-in", "The bed"]
GOOD = ["was lovely", "made our stay", "was spotless", "is worth every cent", "exceeded what we hoped for"]
BAD = ["was dirty", "ruined our stay", "smelled awful", "is a waste of money", "was never what was promised"]


def reviews() -> pd.DataFrame:
    """Return reviews of two sentences, most of the second kind of opinion, beside a column of noise; some are blank."""
    rng = np.random.default_rng(0)
    is_good = rng.random(N) < 0.5
    texts = []
    for i, good in enumerate(is_good):
        opinions = GOOD if good ^ (rng.random() < 0.05) else BAD
        first, second = rng.choice(SUBJECTS, 2, replace=False)
        texts.append(f"{first} {rng.choice(opinions)}. {second} {rng.choice(opinions)}! Room {i}" if i % 40 else "")
    stars = np.where(is_good, 4.0, 2.0) + rng.normal(size=N) / 2
    return pd.DataFrame({"review": texts, "noise": rng.normal(size=N), "stars": stars, "again": is_good})


@pytest.mark.process
@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "linear"])
def test_a_model_learns_from_words_when_the_table_has_texts(tmp_path: Path, estimator: str) -> None:
    params = Params(target="again", estimator=estimator, ignore=("stars",))
    cycle = run_stages(tmp_path, reviews(), params)
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.metrics["roc_auc"] > 0.9
    bundle = cycle.run_dir / "bundle"
    manifest = read_manifest(bundle)
    (review,) = (feature for feature in manifest.features if feature.name == "review")
    assert (review.kind, review.nullable, review.categories) == ("text", True, [])
    assert {"lovely", "dirty", "awful"} <= set(review.words)
    assert manifest.importances["review"] > 0.2
    processed = next(path for path in (tmp_path / "data" / "processed").iterdir() if (path / "prepare.json").exists())
    sources = load_meta(processed).sources
    assert sources["review: dirty"] == sources["review (words)"] == sources["review (missing)"] == ["review"]
    model = Model(manifest, (bundle / "model.onnx").read_bytes(), b"")
    model.check_golden()
    reader = RowReader(model, 10)
    ways = [
        "The bed was DIRTY, smelled awful",
        "  the bed\nwas dirty - smelled: awful!! ",
        "the bed was dirty smelled awful",
    ]
    rows = reader.records([{"review": text, "noise": 0.5} for text in ways])
    scores = model.score(rows.numeric, rows.categorical)[:, 1].tolist()
    assert scores == [scores[0]] * 3
    assert scores[0] < 0.3
    odd = reader.records([{"review": None}, {"review": "..."}, {"review": "qwertz"}, {"review": "lovely " * 30_000}])
    assert ["review" in names for names in odd.missing(model)] == [True, True, False, False]
    assert odd.unseen(model) == [[], [], ["review"], []]


@pytest.mark.process
def test_a_number_is_predicted_from_words_when_the_target_is_one(tmp_path: Path) -> None:
    cycle = run_stages(tmp_path, reviews(), Params(target="stars", ignore=("again",)))
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.metrics["r2"] > 0.5


@pytest.mark.process
def test_a_model_has_no_words_when_the_text_is_taken_as_a_category(tmp_path: Path) -> None:
    params = Params(target="again", ignore=("stars",), columns={"review": ColumnOptions(kind="categorical")})
    cycle = run_stages(tmp_path, reviews(), params)
    assert cycle.code == 0, cycle.events[-1]
    assert [feature.name for feature in read_manifest(cycle.run_dir / "bundle").features] == ["noise"]
