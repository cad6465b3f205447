"""The layers of a graph whose weights can be stored or computed in int8, by readable names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from dfedge_tools.deciding.surgery import PREFIX as NOVELTY
from dfedge_tools.quantizing.recipes import LayerKind

SMALLEST = 256
"""Elements; shorter constants (biases, norms) stay float32, they are a percent of the file."""
NODES_BYTES = 120
"""Of a file, about: the two nodes that restore an int8 weight, beside the names in them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A weight and the nodes that multiply by it.

    Attributes:
        name: of the module in torch where the graph still tells it, else of the weight.
        weight: name of the constant.
        kind: of the multiplication.
        axis: of the output channels in the weight.
        shape: of the weight.
        nodes: names of all nodes that use it; a graph may run a layer twice.
    """

    name: str
    weight: str
    kind: LayerKind
    axis: int
    shape: tuple[int, ...]
    nodes: tuple[str, ...]

    @property
    def saving(self) -> int:
        """Bytes that int8 takes less than float16, about."""
        scales = 4 * self.shape[self.axis]
        return prod(self.shape) - scales - 4 * len(self.weight) - NODES_BYTES


def find_layers(graph: onnx.GraphProto) -> tuple[Layer, ...]:
    """All layers with a float32 weight of their own that int8 makes smaller, in order of use.

    A constant that is also used otherwise than as the weight of such layers is none. What measures
    novelty is left alone: it takes small differences of large numbers, which int8 drowns.
    """
    large = {
        entry.name: tuple(entry.dims)
        for entry in graph.initializer
        if entry.data_type == TensorProto.FLOAT
        and prod(entry.dims) >= SMALLEST
        and not entry.name.startswith(NOVELTY)
    }
    biases = _added_after(graph)
    found: dict[str, Layer] = {}
    others: set[str] = set()
    for node in graph.node:
        for place, weight in enumerate(node.input):
            if weight not in large:
                continue
            layer = _layer(node, weight, large[weight], biases) if place == 1 else None
            known = found.setdefault(weight, layer) if layer is not None else None
            if (
                layer is None
                or known is None
                or (known.kind, known.axis) != (layer.kind, layer.axis)
            ):
                others.add(weight)
            elif known is not layer:
                found[weight] = replace(known, nodes=(*known.nodes, *layer.nodes))
    layers = [layer for weight, layer in found.items() if weight not in others]
    return tuple(layer for layer in _distinct(layers) if layer.saving > 0)


def turn_weights(graph: onnx.GraphProto) -> None:
    """Turn matrices that the graph only turns when it runs, in place.

    So exporters write linear layers where no simplifier has folded it, as in graphs over 1 GB.
    """
    uses = Counter(name for node in graph.node for name in node.input)
    matrices = {
        entry.name: entry
        for entry in graph.initializer
        if len(entry.dims) == 2 and entry.data_type == TensorProto.FLOAT and uses[entry.name] == 1
    }
    turned: dict[str, str] = {}
    others: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Transpose" and node.input[0] in matrices and _is_turn(node):
            turned[node.output[0]] = node.input[0]
        else:
            others.append(node)
    if not turned or any(entry.name in turned for entry in graph.output):
        return
    for name in turned.values():
        values = np.ascontiguousarray(numpy_helper.to_array(matrices[name]).T)
        matrices[name].CopyFrom(numpy_helper.from_array(values, name))
    for node in others:
        for place, name in enumerate(node.input):
            node.input[place] = turned.get(name, name)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in others]
    del graph.node[:]
    graph.node.extend(kept)


def chosen(
    layers: Iterable[Layer], kinds: Collection[LayerKind], exclude: Iterable[str]
) -> tuple[Layer, ...]:
    """The layers of some kinds whose names fit none of the patterns."""
    patterns = tuple(exclude)
    return tuple(
        layer
        for layer in layers
        if layer.kind in kinds and not any(fnmatchcase(layer.name, pattern) for pattern in patterns)
    )


def _is_turn(node: onnx.NodeProto) -> bool:
    """Of the two axes of a matrix; without a permutation they are reversed."""
    return all(list(entry.ints) == [1, 0] for entry in node.attribute if entry.name == "perm")


def _layer(
    node: onnx.NodeProto, weight: str, shape: tuple[int, ...], biases: dict[str, str]
) -> Layer | None:
    """What a node is to the constant at its second input; None where that is no weight."""
    bias = node.input[2] if len(node.input) > 2 else biases.get(node.output[0], "")
    name = _readable(weight, bias)
    nodes = (node.name,)
    if node.op_type == "MatMul" and len(shape) == 2:
        return Layer(name, weight, "linear", 1, shape, nodes)
    if node.op_type == "Gemm" and len(shape) == 2:
        transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
        return Layer(name, weight, "linear", 0 if transposed else 1, shape, nodes)
    if node.op_type == "Conv":
        return Layer(name, weight, _convolution_kind(node, shape), 0, shape, nodes)
    if node.op_type == "ConvTranspose":
        return Layer(name, weight, "transposed", 1, shape, nodes)
    return None


def _convolution_kind(node: onnx.NodeProto, shape: tuple[int, ...]) -> LayerKind:
    groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
    if groups > 1 and shape[1] == 1:
        return "depthwise"
    return "pointwise" if groups == 1 and prod(shape[2:]) == 1 else "convolution"


def _readable(weight: str, bias: str) -> str:
    """The module's name: of its weight, or of its bias where the weight was folded or turned."""
    for name, end in ((weight, ".weight"), (bias, ".bias")):
        if name.endswith(end):
            return name.removesuffix(end)
    return weight


def _added_after(graph: onnx.GraphProto) -> dict[str, str]:
    """The constant that is added to a tensor, by the tensor's name."""
    constants = {entry.name for entry in graph.initializer}
    added: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Add" and len(node.input) == 2:
            for one, other in (tuple(node.input), tuple(reversed(node.input))):
                if other in constants and one not in constants:
                    added[one] = other
    return added


def _distinct(layers: list[Layer]) -> list[Layer]:
    """Layers whose readable names are not shared; those that share one go by their weight's."""
    counts = Counter(layer.name for layer in layers)
    return [
        layer if counts[layer.name] == 1 else replace(layer, name=layer.weight) for layer in layers
    ]
