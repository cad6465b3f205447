"""A smaller graph that computes the same: weights stored short, arithmetic unchanged in float32.

Weights of linear layers are stored as int8 with a float32 scale for each output channel (symmetric,
nearest); all other large constants, convolutions above all, and the head as float16. Two kinds of
nodes bring them back, ``Cast`` and ``Mul`` of constants, which runtimes compute once when they load
the model. So activations are never quantized, a crop's logit does not hang on the others in its
batch, and no provider needs integer operators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge_tools.exporting.graph import serialize

RECIPE = (
    "linear weights int8 per output channel, head and other large constants float16, float32 sums"
)
SMALLEST = 256
"""Elements; shorter constants (biases, norms) stay float32, they are a percent of the file."""
HEAD = "head."
"""In the names of the last layers, which stay float16: nothing after them evens out an error."""
INT8_MAX = 127
HALF_MAX = float(np.finfo(np.float16).max)


def shrink(graph: bytes) -> bytes:
    """The graph with its weights stored short."""
    proto = onnx.load_from_string(graph)
    output_axes = _linear_weights(proto.graph)
    stored: list[onnx.TensorProto] = []
    restoring: list[onnx.NodeProto] = []
    for constant in proto.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < SMALLEST:
            stored.append(constant)
        elif constant.name in output_axes:
            tensors, nodes = _as_int8(constant.name, values, output_axes[constant.name])
            stored += tensors
            restoring += nodes
        elif np.abs(values).max() <= HALF_MAX:
            stored.append(numpy_helper.from_array(values.astype(np.float16), _short(constant.name)))
            restoring.append(_cast(_short(constant.name), constant.name))
        else:
            stored.append(constant)
    nodes = [*restoring, *proto.graph.node]
    del proto.graph.initializer[:]
    del proto.graph.node[:]
    proto.graph.initializer.extend(stored)
    proto.graph.node.extend(nodes)
    return serialize(proto)


def _linear_weights(graph: onnx.GraphProto) -> dict[str, int]:
    """Constants that are the weight of linear layers only, and their axis of output channels."""
    matrices = {
        entry.name for entry in graph.initializer if len(entry.dims) == 2 and HEAD not in entry.name
    }
    axes: dict[str, int] = {}
    others: set[str] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in matrices:
                continue
            axis = _output_axis(node) if place == 1 else None
            if axis is None or axes.setdefault(name, axis) != axis:
                others.add(name)
    return {name: axis for name, axis in axes.items() if name not in others}


def _output_axis(node: onnx.NodeProto) -> int | None:
    if node.op_type == "MatMul":
        return 1
    if node.op_type != "Gemm":
        return None
    transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 0 if transposed else 1


def _as_int8(
    name: str, values: npt.NDArray[Any], output_axis: int
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    largest = np.abs(values).max(axis=1 - output_axis, keepdims=True)
    scale = np.where(largest > 0, largest / INT8_MAX, 1.0).astype(np.float32)
    levels = np.clip(np.rint(values / scale), -INT8_MAX, INT8_MAX).astype(np.int8)
    raised = f"{name}.levels"
    tensors = [
        numpy_helper.from_array(levels, _short(name)),
        numpy_helper.from_array(scale, f"{name}.scale"),
    ]
    multiply = helper.make_node("Mul", [raised, f"{name}.scale"], [name], name=f"{name}.restore")
    return tensors, [_cast(_short(name), raised), multiply]


def _cast(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=TensorProto.FLOAT)


def _short(name: str) -> str:
    return f"{name}.short"
