"""A small preparation graph and small tables, for tests of what comes after process_data."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.core.params import Task
from pipeline.onnx.session import Graph, RawRows
from pipeline.training.class_weights import Rows

CATEGORIES = ("red", "green", "blue", "Ünï 'quoted'")


def prepare_graph(n_numeric: int = 3, opset: int = 21) -> bytes:
    """numeric [n, k] and categorical [n, 1] -> prepared [n, 2k + 1]: imputed by 0.5, missing flags, code of the category."""
    nodes = [
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "numeric"], ["filled"]),
        helper.make_node("Cast", ["missing"], ["flags"], to=TensorProto.FLOAT),
        helper.make_node(
            "LabelEncoder",
            ["categorical"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=list(CATEGORIES),
            values_floats=[0.0, 1.0, 2.0, 3.0],
            default_float=-1.0,
        ),
        helper.make_node("Concat", ["filled", "flags", "code"], ["prepared"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "prepare",
        [
            helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, n_numeric]),
            helper.make_tensor_value_info("categorical", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("prepared", TensorProto.FLOAT, [None, 2 * n_numeric + 1])],
        [numpy_helper.from_array(np.array(0.5, dtype=np.float32), "fill")],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def raw_rows(n: int, seed: int = 0, n_numeric: int = 3) -> RawRows:
    """Rows with heavy tails, missing values and categories that the graph does not know."""
    rng = np.random.default_rng(seed)
    numeric = (rng.standard_t(2, size=(n, n_numeric)) * np.array([1.0, 1000.0, 0.01])[:n_numeric]).astype(np.float32)
    numeric[rng.random((n, n_numeric)) < 0.1] = np.nan
    categories = np.array([*CATEGORIES, "", "no such category"], dtype=object)
    return RawRows(numeric, categories[rng.integers(0, len(categories), (n, 1))])


def targets(task: Task, rows: RawRows, seed: int = 0) -> npt.NDArray[np.generic]:
    """Return targets that depend on a number, on missingness and on the category."""
    rng = np.random.default_rng(seed)
    base = (
        np.nan_to_num(rows.numeric[:, 0], nan=2.0) + (rows.categorical[:, 0] == "red") + rng.normal(size=len(rows)) / 2
    )
    if task == "regression":
        return np.asarray(base * 30.0 + 2000.0, dtype=np.float64)
    if task == "binary":
        return np.asarray(base > 1.0, dtype=np.int64)
    return np.asarray(np.digitize(base, [-0.5, 1.0]), dtype=np.int64)


def prepared(task: Task, n: int, seed: int = 0) -> tuple[Rows, RawRows]:
    """Prepared rows with their targets, and the raw rows that they are made of."""
    raw = raw_rows(n, seed)
    return Rows(Graph(prepare_graph()).run(raw), targets(task, raw, seed)), raw
