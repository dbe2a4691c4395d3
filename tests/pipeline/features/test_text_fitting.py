"""Texts become features that a model learns from, and that serving computes alike."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from pipeline.core.bundle import publish, read_manifest
from pipeline.core.params import ColumnOptions, Params
from pipeline.core.pointer import write_pointer
from pipeline.features.processed_dataset import load_meta
from tests.pipeline.cycle import run_stages

Kind = Literal["categorical", "text"]
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
    told = [str(golden.record["review"] or "") for golden in manifest.golden] + [str(review.example)]
    assert any(told)
    assert set(" ".join(told).split()) <= set(review.words)
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
@pytest.mark.parametrize(("before", "after"), [("categorical", "text"), ("text", "categorical"), ("text", "text")])
def test_the_live_model_is_compared_on_its_own_rows_when_a_column_becomes_text(
    tmp_path: Path, before: Kind, after: Kind
) -> None:
    rng = np.random.default_rng(1)
    rooms = [
        f"{view}-View Room ({side}, {floor}. Floor)" for view in ("Sea", "Yard") for side in "NESW" for floor in "1234"
    ]
    room = rng.integers(0, len(rooms), 1500)
    is_good = rng.normal(size=1500) + 2 * rng.normal(size=len(rooms))[room] > 0
    table = pd.DataFrame({"room": [rooms[i] for i in room], "noise": rng.normal(size=1500), "again": is_good})
    table["when"] = [f"{1 + i % 28}.{1 + i % 12}.{2000 + i % 20}" for i in range(1500)]
    first = run_stages(tmp_path, table, Params(target="again", columns={"room": ColumnOptions(kind=before)}))
    assert first.code == 0, first.events[-1]
    write_pointer(tmp_path / "models", publish(tmp_path / "models", first.run_dir / "bundle", "r1"))
    params = Params(target="again", columns={"room": ColumnOptions(kind=after)})
    second = run_stages(tmp_path, None, params, run_id="r2", version=2)
    assert second.code == 0, second.events[-1]
    own = first.result.metrics["roc_auc"]
    gate = second.result.verdict
    assert gate.champion == pytest.approx(own, abs=1e-6)


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
