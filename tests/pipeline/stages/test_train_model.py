"""The stage as a whole: on real tables, for every choice of preparation, twice with the same outcome."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from pipeline.core.bundle import MODEL_FILE, publish, read_manifest, read_model
from pipeline.core.figures.plots import plots
from pipeline.core.ledger import LEDGER_FILE
from pipeline.core.params import Estimator, GradientBoostingParams, Params, RandomForestParams
from pipeline.core.pointer import pointer_path, write_pointer
from pipeline.features.processed_dataset import raw_inputs
from pipeline.onnx.session import Graph, RawRows
from tests.pipeline.cycle import Cycle, bundled, odd_table, run_stages

pytestmark = pytest.mark.process
QUICK = {
    "gradient_boosting": GradientBoostingParams(n_estimators=30, learning_rate=0.1),
    "random_forest": RandomForestParams(n_estimators=15),
}
ODD = odd_table()


def _params(**values: object) -> Params:
    return Params.model_validate({**QUICK, **values})


def _odd(target: str) -> pd.DataFrame:
    return ODD.drop(columns=[name for name in ("yes", "level", "price") if name != target])


@pytest.mark.parametrize(
    ("name", "task", "metric", "least"),
    [
        ("breast_cancer", "binary", "roc_auc", 0.97),
        ("wine", "multiclass", "accuracy", 0.85),
        ("digits", "multiclass", "accuracy", 0.93),
        ("diabetes", "regression", "r2", 0.3),
    ],
)
def test_a_bundled_data_set_trains_when_only_its_target_is_named(
    tmp_path: Path, name: str, task: str, metric: str, least: float
) -> None:
    cycle = run_stages(tmp_path, bundled(name), _params(target="target"))
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.task == task
    assert cycle.result.metrics[metric] >= least
    assert cycle.result.verdict.decision == "promote"
    assert cycle.result.parity <= 1e-5
    manifest = read_manifest(cycle.result.bundle_dir)
    assert {"target"} <= set(manifest.left_out)
    assert not set(manifest.left_out) & {feature.name for feature in manifest.features}


@pytest.mark.parametrize("target", ["yes", "level", "price"])
@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_graph_agrees_when_estimator_meets_odd_columns(tmp_path: Path, estimator: str, target: str) -> None:
    cycle = run_stages(tmp_path, _odd(target), _params(target=target, estimator=estimator))
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.parity <= 1e-5


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "linear"])
@pytest.mark.parametrize(
    "choice",
    [
        {"imputation": "mean", "scaling": "robust"},
        {"imputation": "most_frequent", "scaling": "min_max"},
        {"imputation": "median", "scaling": "none", "missing_indicator": False},
        {"balance": "undersample"},
        {"balance": "class_weight"},
        {"derived_features": ("twice = whole * 2 + `größe, in m`",)},
    ],
    ids=lambda choice: "-".join(str(value) for value in choice.values())[:40],
)
def test_graph_agrees_when_preparation_is_chosen(tmp_path: Path, estimator: str, choice: dict[str, object]) -> None:
    cycle = run_stages(tmp_path, _odd("yes"), _params(target="yes", estimator=estimator, **choice))
    assert cycle.code == 0, cycle.events[-1]
    assert cycle.result.parity <= 1e-5
    assert cycle.result.verdict.decision == "promote", cycle.result.verdict.reason


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    cycle = run_stages(tmp_path_factory.mktemp("trained"), _odd("yes"), _params(target="yes"))
    assert cycle.code == 0, cycle.events[-1]
    return cycle


@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_digest_is_the_same_when_the_run_is_repeated(tmp_path: Path, estimator: str) -> None:
    params = _params(target="yes", estimator=estimator)
    first = run_stages(tmp_path / "a", _odd("yes"), params, run_id="r1")
    again = run_stages(tmp_path / "b", _odd("yes"), params, run_id="r2", version=7)
    assert first.result.digest == again.result.digest
    assert (first.run_dir / "bundle" / MODEL_FILE).read_bytes() == (again.run_dir / "bundle" / MODEL_FILE).read_bytes()


def test_digest_differs_when_the_seed_differs(trained: Cycle, tmp_path: Path) -> None:
    other = run_stages(tmp_path, _odd("yes"), _params(target="yes", seed=1))
    assert other.result.digest != trained.result.digest


def test_golden_rows_are_answered_as_written_when_sent_as_json(trained: Cycle) -> None:
    folder = trained.run_dir / "bundle"
    manifest = read_manifest(folder)
    golden = [json.loads(row.model_dump_json()) for row in manifest.golden]
    assert len(golden) == 8
    assert any(value is None for value in golden[-1]["record"].values())
    frame = pd.DataFrame([row["record"] for row in golden], dtype=object)
    answers = Graph(read_model(folder, manifest)).run(RawRows(*raw_inputs(manifest.features, frame)))
    assert np.abs(answers - np.array([row["probabilities"] for row in golden])).max() <= 1e-6


def test_bundle_is_private_and_complete_when_training_ends(trained: Cycle) -> None:
    manifest = read_manifest(trained.run_dir / "bundle")
    assert (manifest.version, manifest.run_id, manifest.digest) == (1, "r1", trained.result.digest)
    assert manifest.classes == ["no", "yes"]
    assert set(manifest.importances) == {feature.name for feature in manifest.features}
    assert sum(manifest.score_histogram.counts) == manifest.n_test
    assert not trained.models_dir.exists()
    assert trained.events[-1]["event"] == "progress"
    assert trained.events[-1]["done"] == trained.events[-1]["total"]
    assert trained.result.compute_s["total"] >= trained.result.compute_s["fit"] > 0


def test_evaluation_is_drawn_when_training_ends(trained: Cycle) -> None:
    evaluation = json.loads((trained.run_dir / "evaluation.json").read_text("utf-8"))
    assert list(plots(evaluation)) == [
        "roc",
        "confusion",
        "precision_recall",
        "importances",
        "thresholds",
        "scores",
        "calibration",
    ]
    assert evaluation["verdict"]["decision"] == "promote"
    assert sum(map(sum, evaluation["confusion"]["counts"])) == evaluation["n_test"]
    assert max(len(evaluation["roc"]["x"]), len(evaluation["precision_recall"]["x"])) <= 200


def _live(cycle: Cycle) -> None:
    """Make the run's bundle the champion of its folder."""
    write_pointer(cycle.models_dir, publish(cycle.models_dir, cycle.run_dir / "bundle", cycle.run_dir.name))


def test_second_run_is_identical_when_nothing_changed(tmp_path: Path) -> None:
    params = _params(target="yes", estimator="linear")
    _live(run_stages(tmp_path, _odd("yes"), params))
    verdict = run_stages(tmp_path, None, params, run_id="r2", version=2).result.verdict
    assert (verdict.decision, verdict.champion_version, verdict.difference) == ("identical", 1, 0.0)


@pytest.mark.parametrize("damage", ["missing", "not valid"])
def test_the_champion_is_the_version_that_was_live_last_when_the_pointer_is_lost(tmp_path: Path, damage: str) -> None:
    params = _params(target="yes", estimator="linear")
    first = run_stages(tmp_path, _odd("yes"), params)
    _live(first)
    line = {"event": "deployment", "id": 1, "kind": "deploy", "outcome": "done", "to_bundle": first.run_dir.name}
    (first.models_dir / LEDGER_FILE).write_text(json.dumps(line))
    if damage == "missing":
        pointer_path(first.models_dir).unlink()
    else:
        pointer_path(first.models_dir).write_text("{")
    verdict = run_stages(tmp_path, None, params, run_id="r2", version=2).result.verdict
    assert (verdict.decision, verdict.champion_version) == ("identical", 1)


@pytest.mark.parametrize("change", ["a new column", "a larger test share"])
def test_champion_is_scored_on_rows_that_are_new_to_it_when_the_rows_were_split_again(
    tmp_path: Path, change: str
) -> None:
    table = _odd("yes")
    by_heart = {"target": "yes", "estimator": "random_forest", "random_forest": {"min_samples_leaf": 1}}
    _live(run_stages(tmp_path, table, _params(**by_heart, test_share=0.2)))
    again = (
        run_stages(tmp_path, table.assign(extra=np.arange(600) % 7), _params(**by_heart), run_id="r2", version=2)
        if change == "a new column"
        else run_stages(tmp_path, None, _params(**by_heart, test_share=0.5), run_id="r2", version=2)
    )
    verdict, n_test = again.result.verdict, read_manifest(again.result.bundle_dir).n_test
    assert 5 < verdict.n_rows < 0.6 * n_test
    assert "that neither was trained on" in verdict.reason


def test_champion_is_scored_on_the_same_rows_when_it_was_trained_differently(tmp_path: Path) -> None:
    _live(run_stages(tmp_path, _odd("yes"), _params(target="yes", ignore=("colour", "größe, in m"))))
    verdict = run_stages(tmp_path, None, _params(target="yes"), run_id="r2", version=2).result.verdict
    assert verdict.decision == "promote"
    assert verdict.champion is not None
    assert verdict.challenger is not None
    assert verdict.challenger > verdict.champion > 0.5
    assert "that of version 1 (" in verdict.reason
    assert "on the same" in verdict.reason


def test_model_is_kept_also_the_next_time_when_the_champion_predicts_another_target(tmp_path: Path) -> None:
    _live(run_stages(tmp_path, _odd("yes"), _params(target="yes", estimator="linear")))
    params = _params(target="price", estimator="linear")
    for run_id, version, table in (("r2", 2, _odd("price")), ("r3", 3, None)):
        cycle = run_stages(tmp_path, table, params, run_id=run_id, version=version)
        assert cycle.result.verdict.decision == "keep"
        assert cycle.result.verdict.reason == (
            "Not promoted: it predicts price (regression); the live version 1 predicts yes (binary). "
            "Promote it manually on the Models page if this is intended."
        )
        assert read_manifest(cycle.result.bundle_dir).target == "price"


def test_model_is_kept_and_the_classes_are_named_when_they_are_not_those_of_the_champion(tmp_path: Path) -> None:
    params = _params(target="level", estimator="linear")
    table = _odd("level")
    _live(run_stages(tmp_path, table, params))
    level = table["level"].astype(str)
    renamed = table.assign(level=level.where(level != level.max(), "zenith"))
    verdict = run_stages(tmp_path, renamed, params, run_id="r2", version=2).result.verdict
    assert verdict.decision == "keep"
    assert verdict.reason == (
        f"Not promoted: its classes of level are not those of the live version 1 (new: zenith; gone: {level.max()}). "
        "Promote it manually on the Models page if this is intended."
    )


def test_champion_that_was_tampered_with_is_named_when_it_cannot_be_read(tmp_path: Path) -> None:
    first = run_stages(tmp_path, _odd("yes"), _params(target="yes", estimator="linear"))
    _live(first)
    (first.models_dir / "versions" / "r1" / MODEL_FILE).write_bytes(b"no model")
    verdict = run_stages(tmp_path, None, _params(target="yes", estimator="linear"), run_id="r2").result.verdict
    assert verdict.decision == "promote"
    assert "the model of bundle r1 was changed" in verdict.reason


def test_a_live_model_that_looks_good_by_leakage_is_named_when_a_model_without_it_is_worse(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=600)
    answer = np.where(size + rng.normal(size=600) > 0, "yes", "no")
    status = [f"{'closed' if each == 'yes' else 'open'} {i % 4}" for i, each in enumerate(answer)]
    table = pd.DataFrame({"size": size, "status": status, "target": answer})
    first = run_stages(tmp_path, table, _params(target="target"))
    assert first.code == 0, first.events[-1]
    write_pointer(tmp_path / "models", publish(tmp_path / "models", first.result.bundle_dir, "r1"))
    params = _params(target="target", ignore=("status",))
    second = run_stages(tmp_path, None, params, run_id="r2", version=2)
    assert second.code == 0, second.events[-1]
    assert second.result.verdict.decision == "keep"
    assert second.result.verdict.reason.endswith(
        "Version 1 looks good because of 'status', which determines target exactly: if that is not known at prediction time, "
        "promote this model."
    )


def test_dummy_never_passes_when_it_is_the_first_model(tmp_path: Path) -> None:
    verdict = run_stages(tmp_path, _odd("yes"), _params(target="yes", estimator="dummy")).result.verdict
    assert verdict.decision == "keep"
    assert "the same prediction for all" in verdict.reason


def test_search_is_not_worse_than_the_defaults_and_repeats_when_bounded_by_trials(tmp_path: Path) -> None:
    params = _params(target="yes", estimator="linear", tuning_budget_s=600, tuning_max_trials=5)
    first = run_stages(tmp_path / "a", _odd("yes"), params)
    again = run_stages(tmp_path / "b", _odd("yes"), params)
    assert first.code == 0, first.events[-1]
    assert first.result.digest == again.result.digest
    trials = [event for event in first.events if str(event.get("label", "")).startswith("search: best")]
    assert [event["done"] for event in trials] == [1, 2, 3, 4, 5]


def test_processed_set_that_is_gone_is_named_when_training_starts(tmp_path: Path) -> None:
    cycle = run_stages(tmp_path, _odd("yes"), _params(target="yes"), last="process_data")
    shutil.rmtree(tmp_path / "data" / "processed")
    again = run_stages(tmp_path, None, _params(target="yes"), first="train_model")
    assert (cycle.code, again.code, again.events[-1]["id"]) == (0, 3, "DATA-30")


def test_stage_leaves_a_whole_bundle_when_it_is_tried_again(tmp_path: Path) -> None:
    params = _params(target="yes", estimator="linear")
    first = run_stages(tmp_path, _odd("yes"), params)
    digest = first.result.digest
    (first.run_dir / "bundle" / MODEL_FILE).write_bytes(b"half")
    again = run_stages(tmp_path, None, params, first="train_model")
    assert (again.code, again.result.digest) == (0, digest)
    read_model(again.run_dir / "bundle", read_manifest(again.run_dir / "bundle"))


@pytest.mark.parametrize(("estimator", "is_warned"), [("linear", True), ("dummy", False)])
def test_a_budget_that_is_too_small_to_search_in_is_reported(tmp_path: Path, estimator: str, is_warned: bool) -> None:
    cycle = run_stages(tmp_path, _odd("yes"), _params(target="yes", estimator=estimator, tuning_budget_s=1e-6))
    texts = [str(event.get("text")) for event in cycle.events]
    warned = [text for text in texts if text.startswith("Hyperparameters were not tuned: ")]
    assert len(warned) == is_warned
    assert not any(text.startswith("Tried") for text in texts)
