"""The third stage: fit, export, verify, evaluate, gate, and package the model.

Everything is measured on the exported graph: what is evaluated is what serves.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from pipeline.core.atomic_files import write_atomic
from pipeline.core.bundle import write_bundle
from pipeline.core.events import Events
from pipeline.core.manifest import Manifest
from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import Params, choice_title
from pipeline.core.sentences import lower_first, plural
from pipeline.core.stage import (
    BUNDLE_DIR,
    EVALUATION_FILE,
    RECORD_DIR,
    DataResult,
    GateVerdict,
    SeedResult,
    StageContext,
    TrainResult,
    read_result,
)
from pipeline.evaluation.champion import PredictionTask, load_champion
from pipeline.evaluation.gate import Rule, decide
from pipeline.evaluation.importances import importances
from pipeline.evaluation.metrics import PRIMARY, Floats
from pipeline.evaluation.report import EvaluationInput, Json, evaluate
from pipeline.evaluation.verdict import with_cautions
from pipeline.export.exported_model import ExportedModel, export
from pipeline.export.manifest import build_manifest
from pipeline.export.parity import verify_parity
from pipeline.features.processed_dataset import load_raw_test_frame
from pipeline.onnx.session import Graph
from pipeline.stages.hyperparameters import choose_hyperparameters, described
from pipeline.stages.step_timer import StepTimer
from pipeline.tracking.record import write_record
from pipeline.training.estimator import Hyperparameters, fit
from pipeline.training.fitted_model import FittedModel
from pipeline.training.training_data import TrainingData, baseline_output, load_training_data

STEPS: Final = ("load", "search", "fit", "export", "verify", "evaluate", "gate", "package")


def run(ctx: StageContext, events: Events) -> TrainResult:
    """Train on the processed set of this run and leave `bundle/`, `evaluation.json` and `record/` in its folder.

    Two runs on equal data, seed and parameters give the same digest. Raises OneClassError, ModelTooLargeError,
    ParityError, and DataError DATA-30 (the processed set is gone).
    """
    timer = StepTimer(events, STEPS)
    seed_result = read_result(ctx.run_dir, "set_seed", SeedResult)
    data_result = read_result(ctx.run_dir, "process_data", DataResult)
    with timer.step("load"):
        data = load_training_data(data_result.processed_dir, ctx.params, events)
    with timer.step("search"):
        hyperparameters = choose_hyperparameters(ctx.params, data, events)
    with timer.step("fit"):
        fitted = _fit(ctx.params, data, hyperparameters, events)
        baseline = baseline_output(data)
    with timer.step("export"):
        exported = export(fitted, hyperparameters, data, ctx.params)
        output = exported.graph.run(data.test)
    with timer.step("verify"):
        parity = verify_parity(fitted, exported.graph, Graph(data.prepare), data.test, output)
        events.log(f"The graph agrees with scikit-learn within {parity:.1e} on {len(data.y_test):,} test rows.")
    with timer.step("evaluate"):
        model = _evaluation_input(ctx.params, data, exported, output, baseline)
        evaluation = _evaluate(model, exported, data, ctx.params.seed, events)
    manifest = build_manifest(
        ctx, seed_result, data_result, data=data, exported=exported, output=output, evaluation=evaluation
    )
    with timer.step("gate"):
        verdict = _gate(ctx, data_result.processed_dir, model, manifest.digest, data.meta.held_out_from)
        verdict = with_cautions(verdict, data_result)
        events.log(verdict.reason)
    with timer.step("package"):
        evaluation["verdict"] = verdict.model_dump(mode="json")
        _package(ctx, data_result.processed_dir, manifest, exported, evaluation)
    events.progress(len(STEPS), len(STEPS), "done")
    return TrainResult(
        bundle_dir=ctx.run_dir / BUNDLE_DIR,
        digest=manifest.digest,
        task=data.meta.task,
        estimator=ctx.params.estimator,
        threshold=exported.threshold,
        metrics=evaluation["metrics"],
        baseline=evaluation["baseline"],
        primary_metric=PRIMARY[data.meta.task],
        verdict=verdict,
        parity=parity,
        compute_s={**timer.seconds, "total": round(sum(timer.seconds.values()), 4)},
        hyperparameters=hyperparameters,
        warnings=fitted.warnings,
    )


def _fit(params: Params, data: TrainingData, hyperparameters: Hyperparameters, events: Events) -> FittedModel:
    n_rows, n_columns = data.train.X.shape
    estimator = lower_first(choice_title(params.estimator))
    settings = described(hyperparameters) or "no hyperparameters"
    events.log(f"Fitting {estimator} on {plural(n_rows, 'row')} and {plural(n_columns, 'column')} ({settings}).")
    fitted = fit(
        params.estimator,
        data.meta.task,
        data.train,
        data.validation,
        n_classes=len(data.meta.classes),
        hyperparameters=hyperparameters,
        balance=params.balance,
        seed=params.seed,
        on_trees=lambda done, total: events.progress(done, total, "trees"),
    )
    for warning in fitted.warnings:
        events.warning(warning)
    if fitted.n_trees is not None:
        events.log(f"Fitted {plural(fitted.n_trees, 'tree')}.")
    return fitted


def _evaluation_input(
    params: Params, data: TrainingData, exported: ExportedModel, output: Floats, baseline: Floats
) -> EvaluationInput:
    return EvaluationInput(
        task=data.meta.task,
        target=data.meta.target,
        classes=data.meta.classes,
        estimator=params.estimator,
        threshold=exported.threshold,
        y=data.y_test,
        output=output,
        baseline=baseline,
    )


def _evaluate(model: EvaluationInput, exported: ExportedModel, data: TrainingData, seed: int, events: Events) -> Json:
    features = data.meta.features
    evaluation = evaluate(
        model,
        importances(
            exported.graph,
            data.test,
            data.y_test,
            task=model.task,
            numeric=[feature.name for feature in features if not feature.is_text],
            categorical=[feature.name for feature in features if feature.is_text],
            seed=seed,
        ),
    )
    metrics = ", ".join(f"{metric_in_sentence(name)} {value:.4g}" for name, value in evaluation["metrics"].items())
    events.log(f"Metrics on the test rows: {metrics}.")
    return evaluation


def _gate(
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


def _package(
    ctx: StageContext, processed_dir: Path, manifest: Manifest, exported: ExportedModel, evaluation: Json
) -> None:
    """Write the bundle, the evaluation and the record into the run's folder."""
    bundle = ctx.run_dir / BUNDLE_DIR
    shutil.rmtree(bundle, ignore_errors=True)
    write_bundle(bundle, manifest, exported.model)
    write_atomic(ctx.run_dir / EVALUATION_FILE, json.dumps(evaluation, allow_nan=False).encode())
    write_record(ctx.run_dir / RECORD_DIR, bundle, processed_dir, ctx.params, evaluation)
