"""The manifest of an exported model: what serving needs to know about it, and where it comes from."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from pipeline.core.manifest import Manifest, digest_of
from pipeline.core.stage import DataResult, SeedResult, StageContext
from pipeline.evaluation.histograms import score_histogram
from pipeline.evaluation.metrics import PRIMARY, Floats
from pipeline.export.exported_model import ExportedModel
from pipeline.export.golden_rows import golden_rows
from pipeline.training.training_data import TrainingData


def build_manifest(
    ctx: StageContext,
    seed_result: SeedResult,
    data_result: DataResult,
    *,
    data: TrainingData,
    exported: ExportedModel,
    output: Floats,
    evaluation: dict[str, Any],
) -> Manifest:
    """Return the final manifest. `output` is what the graph predicts for the test rows."""
    meta = data.meta
    return finalize(
        Manifest(
            version=ctx.version,
            run_id=ctx.run_id,
            created_at="",
            digest="",
            model_sha256=hashlib.sha256(exported.model).hexdigest(),
            model_bytes=len(exported.model),
            task=meta.task,
            target=meta.target,
            classes=meta.classes,
            class_type=meta.class_type,
            threshold=exported.threshold,
            estimator=ctx.params.estimator,
            hyperparameters=exported.hyperparameters,
            primary_metric=PRIMARY[meta.task],
            metrics=evaluation["metrics"],
            importances=evaluation["importances"],
            features=meta.features,
            derived_features=meta.derived,
            left_out=sorted({data_result.target, *data_result.dropped}),
            score_histogram=score_histogram(meta.task, output),
            golden=golden_rows(exported.graph, meta.features, data.test, meta.task),
            seed=ctx.params.seed,
            n_train=meta.n_train,
            n_test=meta.n_test,
            test_share=ctx.params.test_share,
            delimiter=meta.delimiter,
            data_digest=seed_result.data_digest,
            code_digest=seed_result.code_digest,
            params_digest=seed_result.params_digest,
            versions=seed_result.versions,
        )
    )


def finalize(manifest: Manifest) -> Manifest:
    """Return the manifest with its digest and the time of its creation."""
    stamped = manifest.model_copy(update={"created_at": datetime.now(UTC).isoformat(timespec="seconds")})
    return stamped.model_copy(update={"digest": digest_of(stamped)})
