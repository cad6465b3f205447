"""A second output in an exported graph: the distance of its features from known ones.

The features are what the last linear layer reads. With a matrix ``whiten`` and class centres, both
in the graph as constants, the output is

    novelty = sqrt(min over classes of mean over dimensions of (features @ whiten - centre)^2)

so that every runtime only reads a number: about 1 for a usual face.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge.errors import UsageError

OUTPUT_NAME = "novelty"
PREFIX = "novelty."
"""Of the names of all nodes and constants that are added."""
PASSED_THROUGH = frozenset({"Add", "Cast", "Identity", "Reshape", "Squeeze", "Sub", "Unsqueeze"})
"""Operators between the last linear layer and the logits that are looked through."""
REDUCE_AXES_INPUT = 18
"""ONNX opset from which ReduceMean takes its axes as an input."""

Matrix = npt.NDArray[np.float32]


def feature_tensor(proto: onnx.ModelProto, logits: str) -> str:
    """The tensor that the last linear layer before the logits reads.

    Raises:
        UsageError: there is no such layer, or more than one.
    """
    makers = {name: node for node in proto.graph.node for name in node.output}
    constants = {entry.name for entry in proto.graph.initializer}
    name = logits
    while (node := makers.get(name)) is not None:
        if node.op_type in ("Gemm", "MatMul"):
            return str(node.input[0])
        computed = [
            entry for entry in node.input if entry and _is_computed(entry, makers, constants)
        ]
        if node.op_type not in PASSED_THROUGH or len(computed) != 1:
            break
        name = computed[0]
    raise UsageError(
        "the graph has no single linear layer that its logits come from; name the tensor whose "
        "distance is to be taken by --layer, or give the float32 bundle"
    )


def without_novelty(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without what :func:`with_novelty` added."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    for part in (graph.node, graph.initializer):
        kept = [entry for entry in part if not entry.name.startswith(PREFIX)]
        del part[:]
        part.extend(kept)
    outputs = [entry for entry in graph.output if entry.name != OUTPUT_NAME]
    del graph.output[:]
    graph.output.extend(outputs)
    return copy


def with_output(proto: onnx.ModelProto, tensor: str) -> onnx.ModelProto:
    """A copy with an inner tensor as one more output, to look at it.

    Raises:
        UsageError: the graph has no such tensor.
    """
    if not any(tensor in node.output for node in proto.graph.node):
        raise UsageError(f"--layer {tensor}: the graph has no such tensor")
    copy = without_novelty(proto)
    if tensor not in {entry.name for entry in copy.graph.output}:
        copy.graph.output.append(onnx.ValueInfoProto(name=tensor))
    return copy


def with_novelty(
    proto: onnx.ModelProto, tensor: str, whiten: Matrix, centres: Matrix
) -> onnx.ModelProto:
    """A copy with the output ``novelty`` (batch, 1), after those it had.

    Args:
        tensor: the features, (batch, D).
        whiten: (D, K).
        centres: (C, K) of the classes, in the space of ``features @ whiten``.
    """
    copy = without_novelty(proto)
    opset = next(entry.version for entry in copy.opset_import if entry.domain in ("", "ai.onnx"))
    builder = _Builder(opset)
    builder.write(tensor, whiten, centres)
    copy.graph.node.extend(builder.nodes)
    copy.graph.initializer.extend(builder.constants)
    batch = _batch_name(copy)
    copy.graph.output.append(
        helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [batch, 1])
    )
    return copy


class _Builder:
    """Collects the nodes; each is named after its one output."""

    def __init__(self, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._opset = opset

    def write(self, tensor: str, whiten: Matrix, centres: Matrix) -> None:
        white = self._node("MatMul", [tensor, self._constant("whiten", whiten)], "white")
        parts = [
            self._distance(white, self._constant(f"centre{number}", centre[np.newaxis]), number)
            for number, centre in enumerate(centres)
        ]
        nearest = self._node("Min", parts, "nearest") if len(parts) > 1 else parts[0]
        self.nodes.append(
            helper.make_node("Sqrt", [nearest], [OUTPUT_NAME], name=f"{PREFIX}output")
        )

    def _distance(self, white: str, centre: str, number: int) -> str:
        away = self._node("Sub", [white, centre], f"away{number}")
        square = self._node("Mul", [away, away], f"square{number}")
        if self._opset < REDUCE_AXES_INPUT:
            return self._node("ReduceMean", [square], f"distance{number}", axes=[1], keepdims=1)
        axes = self._axes()
        return self._node("ReduceMean", [square, axes], f"distance{number}", keepdims=1)

    def _axes(self) -> str:
        name = f"{PREFIX}axes"
        if all(entry.name != name for entry in self.constants):
            self.constants.append(numpy_helper.from_array(np.array([1], np.int64), name))
        return name

    def _constant(self, name: str, values: Matrix) -> str:
        contiguous = np.ascontiguousarray(values, np.float32)
        self.constants.append(numpy_helper.from_array(contiguous, PREFIX + name))
        return PREFIX + name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        name = PREFIX + output
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def _batch_name(proto: onnx.ModelProto) -> str:
    """What the graph calls its free batch."""
    dimension = proto.graph.input[0].type.tensor_type.shape.dim[0]
    return dimension.dim_param or "batch"


def _is_computed(name: str, makers: dict[str, onnx.NodeProto], constants: set[str]) -> bool:
    """Whether a tensor depends on the input of the graph."""
    return name not in constants and any(_ancestors(name, makers, constants))


def _ancestors(name: str, makers: dict[str, onnx.NodeProto], constants: set[str]) -> Iterator[bool]:
    """True for each input of the graph that a tensor comes from."""
    waiting, seen = [name], set[str]()
    while waiting:
        current = waiting.pop()
        if current in seen or current in constants or not current:
            continue
        seen.add(current)
        if current not in makers:
            yield True
        else:
            waiting.extend(makers[current].input)
