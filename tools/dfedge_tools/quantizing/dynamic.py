"""Linear layers as products of int8 numbers, the range of each activation found at run time.

The nodes are those of ONNX Runtime's own ``quantize_dynamic``, which it fuses into one kernel a
layer: ``DynamicQuantizeLinear``, ``MatMulInteger``, ``Cast``, ``Mul``. The range is that of the
whole tensor, over the batch too, so a crop's logit depends a little on the others in its batch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge_tools.quantizing.layers import Layer
from dfedge_tools.quantizing.storage import int8_levels


def multiply_in_int8(proto: onnx.ModelProto, layers: Iterable[Layer]) -> None:
    """Replace the nodes of linear layers, in place; those that scale or turn an input stay."""
    owners = {name: layer for layer in layers for name in layer.nodes}
    ready: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        if node.name in owners and _is_plain(node):
            nodes += _products(node, ready)
        else:
            nodes.append(node)
    still = {name for node in nodes for name in node.input}
    replaced = {layer.weight: layer for layer in owners.values() if layer.weight not in still}
    constants: list[onnx.TensorProto] = []
    for constant in proto.graph.initializer:
        layer = replaced.get(constant.name)
        constants += [constant] if layer is None else _levels(constant, layer.axis)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(constants)


def _is_plain(node: onnx.NodeProto) -> bool:
    """``x @ w + b`` and no more: a Gemm may also scale its parts and turn x."""
    values = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    scaled = values.get("alpha", 1.0) != 1.0 or values.get("beta", 1.0) != 1.0
    return not scaled and not values.get("transA", 0)


def _products(node: onnx.NodeProto, ready: set[str]) -> list[onnx.NodeProto]:
    """The nodes in place of one; an input that `ready` names is an integer already."""
    source, weight, *rest = node.input
    bias = [name for name in rest if name]
    result = node.output[0]
    name = node.name
    steps: list[onnx.NodeProto] = []
    if source not in ready:
        ready.add(source)
        parts = [f"{source}.{part}" for part in ("int8", "scale", "zero")]
        steps.append(
            helper.make_node("DynamicQuantizeLinear", [source], parts, name=f"{source}.int8")
        )
    product = f"{result}.product" if bias else result
    steps += [
        helper.make_node(
            "MatMulInteger",
            [f"{source}.int8", f"{weight}.int8", f"{source}.zero"],
            [f"{result}.int32"],
            name=f"{name}.multiply",
        ),
        helper.make_node(
            "Cast",
            [f"{result}.int32"],
            [f"{result}.sum"],
            name=f"{name}.cast",
            to=TensorProto.FLOAT,
        ),
        helper.make_node(
            "Mul",
            [f"{source}.scale", f"{weight}.scale"],
            [f"{result}.scales"],
            name=f"{name}.scales",
        ),
        helper.make_node(
            "Mul", [f"{result}.sum", f"{result}.scales"], [product], name=f"{name}.scale"
        ),
    ]
    if bias:
        steps.append(helper.make_node("Add", [product, bias[0]], [result], name=f"{name}.add"))
    return steps


def _levels(constant: onnx.TensorProto, axis: int) -> list[onnx.TensorProto]:
    """A weight (in, out) as levels and a scale for each output."""
    values = numpy_helper.to_array(constant)
    levels, scale = int8_levels(values if axis == 1 else values.T, 1)
    return [
        numpy_helper.from_array(np.ascontiguousarray(levels), f"{constant.name}.int8"),
        numpy_helper.from_array(scale.reshape(-1), f"{constant.name}.scale"),
    ]
