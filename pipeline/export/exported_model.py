"""A fitted model as it serves: one graph from raw columns to predictions, with its decision threshold."""

from dataclasses import dataclass

from pipeline.core.params import Params
from pipeline.evaluation.metrics import best_threshold
from pipeline.export.graph import estimator_graph, join
from pipeline.onnx.session import Graph
from pipeline.training.estimator import Hyperparameters
from pipeline.training.fitted_model import FittedModel
from pipeline.training.training_data import TrainingData


@dataclass(frozen=True)
class ExportedModel:
    """The serialized graph, the same graph loaded, and the threshold of a binary model (else None)."""

    hyperparameters: Hyperparameters
    model: bytes
    graph: Graph
    threshold: float | None


def export(fitted: FittedModel, hyperparameters: Hyperparameters, data: TrainingData, params: Params) -> ExportedModel:
    """Return the exported model, its threshold tuned on the validation rows. Raises ModelTooLargeError."""
    estimator = estimator_graph(fitted, data.train.X.shape[1], data.prepare)
    model = join(data.prepare, estimator)
    threshold = None
    if data.meta.task == "binary":
        probabilities = Graph(estimator.SerializeToString()).run_prepared(data.validation.X)
        threshold = best_threshold(data.validation.y, probabilities[:, 1], params.threshold_metric)
    return ExportedModel(hyperparameters, model, Graph(model), threshold)
