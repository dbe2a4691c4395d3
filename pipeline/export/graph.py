"""Turns a fitted estimator into the graph that serves: raw columns in, probabilities or value out.

The preparation graph of process_data produced the rows that the estimator was fitted on; the estimator's graph is
appended to it. Trees are converted by skl2onnx; the linear models and the dummy are written here and calculate in
float64, because float32 sums would drift. Equal estimators give equal bytes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.compose import add_prefix, merge_models
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from pipeline.core.bundle import MAX_MODEL_BYTES
from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.manifest import PREPARED_OUTPUT, PROBABILITIES_OUTPUT, VALUE_OUTPUT
from pipeline.core.product import NAME
from pipeline.export.problems import ModelTooLargeError
from pipeline.training.fitted_model import FittedModel

DEFAULT_ML_OPSET: Final = 3


def join(prepare: bytes, estimator: onnx.ModelProto, max_bytes: int = MAX_MODEL_BYTES) -> bytes:
    """Return the serialized graph from raw columns to output: the estimator's graph after the preparation `prepare`.

    Inputs and the one output are named as in `pipeline.core.manifest`. Raises ModelTooLargeError.
    """
    size = len(prepare) + estimator.ByteSize()
    if size > max_bytes:
        raise ModelTooLargeError(size, max_bytes)
    first = onnx.load_from_string(prepare)
    second = add_prefix(estimator, "model_", rename_inputs=False, rename_outputs=False)
    first.ir_version = second.ir_version = max(first.ir_version, second.ir_version)
    joined = merge_models(first, second, io_map=[(PREPARED_OUTPUT, PREPARED_OUTPUT)])
    joined.graph.name = "pipeline"
    joined.producer_name, joined.producer_version, joined.doc_string = NAME, "", ""
    del joined.metadata_props[:]
    for node in joined.graph.node:
        node.doc_string = ""
    used = sorted((opset.domain, opset.version) for opset in joined.opset_import)
    del joined.opset_import[:]
    joined.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in used)
    onnx.checker.check_model(joined)
    serialized: bytes = joined.SerializeToString(deterministic=True)
    return serialized


def estimator_graph(fitted: FittedModel, n_columns: int, prepare: bytes) -> onnx.ModelProto:
    """Return the graph from `prepared` float32 [n, n_columns] to `probabilities` float32 [n, n_classes] or `value` [n, 1].

    It uses the operator sets of the graph `prepare`, so that the two can be joined.
    """
    opsets = {opset.domain: opset.version for opset in onnx.load_from_string(prepare).opset_import}
    opset, ml_opset = opsets[""], opsets.get("ai.onnx.ml", DEFAULT_ML_OPSET)
    writer = _Writer(fitted)
    if fitted.kind == "dummy":
        writer.constant()
    elif fitted.kind == "linear":
        writer.linear()
    else:
        writer.trees(n_columns, opset, ml_opset)
    regression = fitted.task == "regression"
    graph = helper.make_graph(
        writer.nodes,
        "estimator",
        [helper.make_tensor_value_info(PREPARED_OUTPUT, TensorProto.FLOAT, [None, n_columns])],
        [
            helper.make_tensor_value_info(
                VALUE_OUTPUT if regression else PROBABILITIES_OUTPUT,
                TensorProto.FLOAT,
                [None, 1 if regression else fitted.n_classes],
            )
        ],
        writer.initializers,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml_opset)]
    return helper.make_model(graph, opset_imports=imports)


class _Writer:
    """Collects the nodes of an estimator's graph, from `prepared` to the output."""

    def __init__(self, fitted: FittedModel) -> None:
        self._fitted = fitted
        self._regression = fitted.task == "regression"
        self._out = VALUE_OUTPUT if self._regression else PROBABILITIES_OUTPUT
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self) -> None:
        """Write the dummy: one row of output, repeated for each row of input."""
        answer = self._fitted.predict(np.zeros((1, 1), dtype=np.float32)).astype(np.float32)
        self._node("Shape", [PREPARED_OUTPUT], "n_rows", start=0, end=1)
        width = self._tensor("width", np.array([answer.shape[1]], dtype=np.int64))
        self._node("Concat", ["n_rows", width], "shape", axis=0)
        self._node("Expand", [self._tensor("answer", answer), "shape"], self._out)

    def linear(self) -> None:
        """Write logistic or ridge regression, summed in float64."""
        fitted = self._fitted
        coefficients = np.atleast_2d(np.asarray(fitted.model.coef_, dtype=np.float64)).T
        intercept = np.atleast_1d(np.asarray(fitted.model.intercept_, dtype=np.float64))
        if not self._regression and coefficients.shape[1] == 1:  # two classes: the scores are -s/2 and s/2
            coefficients = np.hstack([-coefficients / 2, coefficients / 2])
            intercept = np.array([-intercept[0] / 2, intercept[0] / 2])
        self._node("Cast", [PREPARED_OUTPUT], "wide", to=TensorProto.DOUBLE)
        self._node("MatMul", ["wide", self._tensor("coefficients", coefficients)], "products")
        self._node("Add", ["products", self._tensor("intercept", intercept)], "scores")
        if self._regression:
            self._unscale("scores", np.float64)
        else:
            self._node("Softmax", ["scores"], "likelihoods", axis=-1)
            self._node("Cast", ["likelihoods"], "narrow", to=TensorProto.FLOAT)
            self._all_classes("narrow")

    def trees(self, n_columns: int, opset: int, ml_opset: int) -> None:
        """Write forests and boosting as skl2onnx converts them, without the label, which nobody reads."""
        model = self._fitted.model
        converted = convert_sklearn(
            model,
            "trees",
            initial_types=[(PREPARED_OUTPUT, FloatTensorType([None, n_columns]))],
            options=None if self._regression else {id(model): {"zipmap": False}},
            target_opset={"": opset, "ai.onnx.ml": ml_opset},
        ).graph
        last = converted.output[-1].name
        needed, kept = {last}, []
        for node in reversed(converted.node):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        renamed = {last: "trees"}
        for node in reversed(kept):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [renamed.get(name, name) for name in node.input]
            copy.output[:] = [renamed.get(name, name) for name in node.output]
            self.nodes.append(copy)
        self.initializers += [tensor for tensor in converted.initializer if tensor.name in needed]
        if self._regression:
            self._unscale("trees", np.float32)
        else:
            self._all_classes("trees")

    def _unscale(self, name: str, kind: type[np.float32] | type[np.float64]) -> None:
        """Convert standard deviations back to the target's own unit, in float64 so that only the last step rounds."""
        if kind is np.float32:
            self._node("Cast", [name], "answer_wide", to=TensorProto.DOUBLE)
            name = "answer_wide"
        self._node("Mul", [name, self._tensor("scale", np.array([self._fitted.scale]))], "scaled")
        self._node("Add", ["scaled", self._tensor("offset", np.array([self._fitted.offset]))], "shifted")
        ends = [self._tensor("lowest", np.array(-FLOAT32_MAX)), self._tensor("largest", np.array(FLOAT32_MAX))]
        self._node("Clip", ["shifted", *ends], "finite")
        self._node("Cast", ["finite"], self._out, to=TensorProto.FLOAT)

    def _all_classes(self, name: str) -> None:
        """Write a column for each class of the table, 0 for those that no training row had."""
        present = self._fitted.present_classes
        if len(present) == self._fitted.n_classes:
            self._node("Identity", [name], self._out)
            return
        places = np.zeros((len(present), self._fitted.n_classes), dtype=np.float32)
        places[np.arange(len(present)), present] = 1.0
        self._node("MatMul", [name, self._tensor("places", places)], self._out)

    def _tensor(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: int) -> None:
        node = helper.make_node(kind, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
