"""Graphs that pass every check and are wrong for some rows only."""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def infinite_above(model: bytes, limit: float) -> bytes:
    """Return the graph, but with infinity for every answer above `limit`."""
    return _above(model, limit, [helper.make_node("Where", ["is_above", "infinity", "before"], ["after"])])


def failing_above(model: bytes, limit: float) -> bytes:
    """Return the graph, but failing as soon as an answer is above `limit`: there is no element 1 of one."""
    nodes = [
        helper.make_node("Cast", ["is_above"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["zero", "place"], ["nothing"]),
        helper.make_node("Add", ["before", "nothing"], ["after"]),
    ]
    return _above(model, limit, nodes)


def slow(model: bytes, _: float) -> bytes:
    """Return the graph, but one that multiplies large matrices for nothing before it answers."""
    nodes = [
        helper.make_node("Expand", ["zero", "slow_shape"], ["slow_matrix"]),
        helper.make_node("Add", ["slow_matrix", "slow_first"], ["slow_filled"]),
        helper.make_node("MatMul", ["slow_filled", "slow_filled"], ["slow_product"]),
        helper.make_node("ReduceMax", ["slow_product"], ["slow_largest"], keepdims=0),
        helper.make_node("Mul", ["slow_largest", "zero"], ["nothing"]),
        helper.make_node("Add", ["before", "nothing"], ["after"]),
    ]
    place = helper.make_node("ReduceMax", ["before"], ["slow_first"], keepdims=0)  # of the input: not known beforehand
    return _above(model, 0.0, [place, *nodes])


def _above(model: bytes, limit: float, nodes: list[NodeProto]) -> bytes:
    """Return the graph with `nodes` behind it: they get `before`, `is_above`, `infinity` and `zero`, and make `after`."""
    proto = onnx.load_from_string(model)
    output = proto.graph.node[-1].output[0]
    proto.graph.node[-1].output[0] = "before"
    for name, value in (("limit", limit), ("infinity", np.inf), ("zero", [0.0])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), name))
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1500, 1500], dtype=np.int64), "slow_shape"))
    proto.graph.node.append(helper.make_node("Greater", ["before", "limit"], ["is_above"]))
    proto.graph.node.extend(nodes)
    proto.graph.node[-1].output[0] = output
    return bytes(proto.SerializeToString())
