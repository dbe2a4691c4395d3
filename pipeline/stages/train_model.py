"""The third stage: fit, export, prove, evaluate, judge, and pack what comes out.

Everything that is measured is measured on the exported graph: what is judged is what serves.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.core.bundle import Manifest, write_atomic, write_bundle
from pipeline.core.events import Events
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import Params
from pipeline.core.stage import DataResult, GateVerdict, SeedResult, StageContext, TrainResult, read_result
from pipeline.evaluation.champion import PredictionTask, load_champion
from pipeline.evaluation.gate import Rule, decide
from pipeline.evaluation.histograms import score_histogram
from pipeline.evaluation.importances import importances
from pipeline.evaluation.metrics import PRIMARY, best_threshold
from pipeline.evaluation.report import EvaluationInput, Json, evaluate
from pipeline.export.graph import estimator_graph, join
from pipeline.export.manifest import golden_rows, seal
from pipeline.export.parity import prove_parity
from pipeline.features.processed_dataset import load_raw_test_frame
from pipeline.onnx.session import Graph
from pipeline.tracking.record import EVALUATION_FILE, RECORD_DIR, write_record
from pipeline.training.estimator import Fitted, Hyperparameters, fit, hyperparameters_of
from pipeline.training.training_data import Data, dummy_answers, load

BUNDLE_DIR: Final = "bundle"
STEPS: Final = ("load", "search", "fit", "export", "prove", "evaluate", "judge", "pack")


@dataclass(frozen=True)
class Trained:
    """A fitted model and its graph: raw columns to answers."""

    fitted: Fitted
    hyperparameters: Hyperparameters
    model: bytes
    graph: Graph
    threshold: float | None


class Steps:
    """Says which step the stage is at and keeps how long each took."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report that `name`, one of STEPS, begins, and time the block."""
        self._events.progress(STEPS.index(name), len(STEPS), name)
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - begun, 4)


def run(ctx: StageContext, events: Events) -> TrainResult:
    """Train on the processed set of this run and leave `bundle/`, `evaluation.json` and `record/` in its folder.

    Two runs on equal data, seed and parameters give the same digest. Raises TrainingError TRAIN-01 (one class) and
    TRAIN-02 (the graph strays from the trained model), DataError DATA-30 (the processed set is gone).
    """
    steps = Steps(events)
    seeded = read_result(ctx.run_dir, "set_seed", SeedResult)
    processed = read_result(ctx.run_dir, "process_data", DataResult)
    params = ctx.params
    with steps.step("load"):
        data = load(processed.processed_dir, params, events)
    with steps.step("search"):
        chosen = _search(params, data, events)
    with steps.step("fit"):
        fitted = _fit(params, data, chosen, events)
        dummy = dummy_answers(data)
    with steps.step("export"):
        trained = _export(params, data, fitted, chosen)
        output = trained.graph.run(data.test)
    with steps.step("prove"):
        parity = prove_parity(fitted, trained.graph, Graph(data.prepare), data.test, output)
        events.log(f"The graph agrees with scikit-learn within {parity:.1e} on {len(data.y_test):,} test rows.")
    with steps.step("evaluate"):
        model = EvaluationInput(
            task=data.meta.task,
            target=data.meta.target,
            classes=data.meta.classes,
            estimator=params.estimator,
            threshold=trained.threshold,
            y=data.y_test,
            output=output,
            baseline=dummy,
        )
        evaluation = _evaluate(model, data, trained, params, events)
    left_out = sorted({processed.target, *processed.dropped})
    manifest = _manifest(ctx, data, trained, seeded=seeded, model=model, evaluation=evaluation, left_out=left_out)
    with steps.step("judge"):
        verdict = _judge(ctx, processed.processed_dir, model, manifest.digest, data.meta.held_out_from)
        events.log(verdict.reason)
    with steps.step("pack"):
        bundle = ctx.run_dir / BUNDLE_DIR
        shutil.rmtree(bundle, ignore_errors=True)
        write_bundle(bundle, manifest, trained.model)
        evaluation["verdict"] = verdict.model_dump(mode="json")
        write_atomic(ctx.run_dir / EVALUATION_FILE, json.dumps(evaluation, allow_nan=False).encode())
        write_record(ctx.run_dir / RECORD_DIR, bundle, processed.processed_dir, params, evaluation)
    events.progress(len(STEPS), len(STEPS), "done")
    return TrainResult(
        bundle_dir=bundle,
        digest=manifest.digest,
        task=data.meta.task,
        estimator=params.estimator,
        threshold=trained.threshold,
        metrics=evaluation["metrics"],
        baseline=evaluation["baseline"],
        primary_metric=PRIMARY[data.meta.task],
        verdict=verdict,
        parity=parity,
        compute_s={**steps.seconds, "total": round(sum(steps.seconds.values()), 4)},
        hyperparameters=chosen,
        warnings=fitted.warnings,
    )


def _search(params: Params, data: Data, events: Events) -> Hyperparameters:
    defaults = hyperparameters_of(params, params.estimator, len(data.train))
    if params.tuning_budget_s <= 0 or not len(data.validation):
        return defaults
    from pipeline.training.tuning import SPACES, Search, search  # noqa: PLC0415  # optuna costs half a second that other runs save

    def report(done: int, total: int, best: float) -> None:
        events.progress(done, total, f"search: best {metric_in_sentence(PRIMARY[data.meta.task])} {abs(best):.4f}")

    found = search(
        Search(
            kind=params.estimator,
            task=data.meta.task,
            n_classes=len(data.meta.classes),
            balance=params.balance,
            defaults=defaults,
            budget_s=params.tuning_budget_s,
            max_trials=params.tuning_max_trials,
            seed=params.seed,
        ),
        data.train,
        data.validation,
        report,
    )
    if found.n_trials > 1:
        events.log(f"Searched {found.n_trials} settings; the best: {_words(found.hyperparameters)}.")
    elif params.estimator in SPACES and params.tuning_max_trials > 1:
        budget = f"the budget of {params.tuning_budget_s:g} s"
        events.warning(f"Nothing was searched: trying the settings as given took more than half of {budget}.")
    return found.hyperparameters


def _fit(params: Params, data: Data, chosen: Hyperparameters, events: Events) -> Fitted:
    rows, columns = data.train.X.shape
    events.log(
        f"Fitting {params.estimator} on {rows:,} rows and {columns} columns ({_words(chosen) or 'no settings'})."
    )
    fitted = fit(
        params.estimator,
        data.meta.task,
        data.train,
        data.validation,
        n_classes=len(data.meta.classes),
        hyperparameters=chosen,
        balance=params.balance,
        seed=params.seed,
        tick=lambda done, total: events.progress(done, total, "trees"),
    )
    for warning in fitted.warnings:
        events.warning(warning)
    if fitted.n_trees is not None:
        events.log(f"Fitted {fitted.n_trees:,} trees.")
    return fitted


def _export(params: Params, data: Data, fitted: Fitted, chosen: Hyperparameters) -> Trained:
    estimator = estimator_graph(fitted, data.train.X.shape[1], data.prepare)
    model = join(data.prepare, estimator)
    threshold = None
    if data.meta.task == "binary":
        answers = Graph(estimator.SerializeToString()).run_prepared(data.validation.X)
        threshold = best_threshold(data.validation.y, answers[:, 1], params.threshold_metric)
    return Trained(fitted, chosen, model, Graph(model), threshold)


def _evaluate(model: EvaluationInput, data: Data, trained: Trained, params: Params, events: Events) -> Json:
    features = data.meta.features
    found = evaluate(
        model,
        importances(
            trained.graph,
            data.test,
            data.y_test,
            task=model.task,
            numeric=[feature.name for feature in features if feature.kind != "categorical"],
            categorical=[feature.name for feature in features if feature.kind == "categorical"],
            seed=params.seed,
        ),
    )
    events.log(
        "On the test rows: " + ", ".join(f"{name} {value:.4g}" for name, value in found["metrics"].items()) + "."
    )
    return found


def _manifest(
    ctx: StageContext,
    data: Data,
    trained: Trained,
    *,
    seeded: SeedResult,
    model: EvaluationInput,
    evaluation: Json,
    left_out: list[str],
) -> Manifest:
    meta = data.meta
    return seal(
        Manifest(
            version=ctx.version,
            run_id=ctx.run_id,
            created_at="",
            digest="",
            model_sha256=hashlib.sha256(trained.model).hexdigest(),
            model_bytes=len(trained.model),
            task=meta.task,
            target=meta.target,
            classes=meta.classes,
            class_type=meta.class_type,
            threshold=trained.threshold,
            estimator=ctx.params.estimator,
            hyperparameters=trained.hyperparameters,
            primary_metric=PRIMARY[meta.task],
            metrics=evaluation["metrics"],
            importances=evaluation["importances"],
            features=meta.features,
            derived_features=meta.derived,
            left_out=left_out,
            score_histogram=score_histogram(meta.task, model.output),
            golden=golden_rows(trained.graph, meta.features, data.test, meta.task),
            seed=ctx.params.seed,
            n_train=meta.n_train,
            n_test=meta.n_test,
            test_share=ctx.params.test_share,
            data_digest=seeded.data_digest,
            code_digest=seeded.code_digest,
            params_digest=seeded.params_digest,
            versions=seeded.versions,
        )
    )


def _judge(
    ctx: StageContext, processed_dir: Path, model: EvaluationInput, digest: str, held_out_from: str
) -> GateVerdict:
    champion = load_champion(
        ctx.models_dir,
        prediction_task=PredictionTask(model.task, model.target, model.classes),
        digest=digest,
        held_out_from=held_out_from,
        read_test_rows=lambda: load_raw_test_frame(processed_dir),
    )
    return decide(
        model.task,
        model.y,
        challenger=model.output,
        baseline=model.baseline,
        digest=digest,
        champion=champion,
        rule=Rule(ctx.params.gate_rule, ctx.params.gate_margin, ctx.params.gate_confidence),
        seed=ctx.params.seed,
    )


def _words(hyperparameters: Hyperparameters) -> str:
    shown = ((name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in hyperparameters.items())
    return ", ".join(f"{name} {value}" for name, value in shown)
