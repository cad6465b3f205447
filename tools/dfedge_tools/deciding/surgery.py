"""A second output in an exported graph: the distance of its features from known ones.

Features are tensors of the graph: maps (batch, C, H, W), averaged over their places, and vectors
(batch, C). With a matrix ``whiten`` and class centres, constants of the graph, the output is

    novelty = sqrt(min over classes of mean over dimensions of (features @ whiten - centre)^2)

so that every runtime only reads a number: about 1 for a usual face.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from dfedge.errors import UsageError

OUTPUT_NAME = "novelty"
FEATURES = "novelty.features"
PREFIX = "novelty."
"""Of the names of all nodes and constants that are added."""
MAPS = 3
"""At strides 2 to 8 in usual networks: texture, not yet the decision."""
PASSED_THROUGH = frozenset({"Add", "Cast", "Identity", "Reshape", "Squeeze", "Sub", "Unsqueeze"})
"""Operators between the last linear layer and the logits that are looked through."""
REDUCE_AXES_INPUT = 18
"""ONNX opset from which ReduceMean takes its axes as an input."""

Matrix = npt.NDArray[np.float32]


def usual_tensors(proto: onnx.ModelProto, logits: str, *, maps: bool) -> tuple[str, ...]:
    """The features that are taken unless others are named.

    Those are the maps that the first strided convolutions after the stem read. What the last layer
    reads is of little use: a network trained to tell two classes maps what it does not know onto
    what it knows (docs/decision.md has the figures).

    Args:
        maps: whether maps have a row an input; not so in a model of clips. Without maps it is the
            tensor that the last linear layer reads.

    Raises:
        UsageError: there is neither a map nor a single last linear layer.
    """
    found = strided_inputs(proto)[:MAPS] if maps else ()
    return found or (feature_tensor(proto, logits),)


def strided_inputs(proto: onnx.ModelProto) -> tuple[str, ...]:
    """What each strided convolution reads, in order, but for those that read the picture."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    pictures = {entry.name for entry in proto.graph.input}
    found: dict[str, None] = {}
    for node in proto.graph.node:
        strides = [list(entry.ints) for entry in node.attribute if entry.name == "strides"]
        if node.op_type != "Conv" or not strides or max(strides[0]) < 2:
            continue
        name = node.input[0]
        while name in makers and makers[name].op_type in ("Cast", "Pad"):
            name = makers[name].input[0]
        if name in makers and name not in pictures:
            found[name] = None
    return tuple(found)


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
        computed = [entry for entry in node.input if _is_computed(entry, makers, constants)]
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
    outputs = [entry for entry in graph.output if entry.name not in (OUTPUT_NAME, FEATURES)]
    del graph.output[:]
    graph.output.extend(outputs)
    return copy


def with_features(proto: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy with the features (batch, D) of some tensors as one more output, :data:`FEATURES`.

    Raises:
        UsageError: the graph has no such tensor, or one is neither a map nor a vector.
    """
    copy = without_novelty(proto)
    builder = _Builder(copy)
    builder.features(tensors)
    builder.finish(FEATURES)
    return copy


def with_novelty(
    proto: onnx.ModelProto, tensors: Sequence[str], whiten: Matrix, centres: Matrix
) -> onnx.ModelProto:
    """A copy with the output ``novelty`` (batch, 1), after those it had.

    Args:
        tensors: of the features (batch, D).
        whiten: (D, K).
        centres: (C, K) of the classes, in the space of ``features @ whiten``.

    Raises:
        UsageError: as :func:`with_features`.
    """
    copy = without_novelty(proto)
    builder = _Builder(copy)
    builder.distance(builder.features(tensors), whiten, centres)
    builder.finish(OUTPUT_NAME, 1)
    return copy


class _Builder:
    """Adds nodes to a graph; each is named after its one output."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._proto = proto
        self._ranks = _ranks(proto)
        self._opset = next(
            entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")
        )

    def features(self, tensors: Sequence[str]) -> str:
        parts = [self._vector(tensor, number) for number, tensor in enumerate(tensors)]
        self._add("Concat", parts, FEATURES, axis=1)
        return FEATURES

    def distance(self, features: str, whiten: Matrix, centres: Matrix) -> None:
        white = self._node("MatMul", [features, self._constant("whiten", whiten)], "white")
        parts = [self._from_centre(white, centre, number) for number, centre in enumerate(centres)]
        nearest = self._reduce("ReduceMin", self._node("Concat", parts, "all", axis=1), "nearest")
        self._add("Sqrt", [nearest], OUTPUT_NAME)

    def finish(self, output: str, size: int | None = None) -> None:
        """Make a tensor an output, of shape (batch, size)."""
        dimension = self._proto.graph.input[0].type.tensor_type.shape.dim[0]
        shape = [dimension.dim_param or "batch", size or "features"]
        self._proto.graph.output.append(
            helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        )

    def _vector(self, tensor: str, number: int) -> str:
        rank = self._ranks.get(tensor)
        if rank == 2:
            return tensor
        if rank != 4:
            told = "no such tensor" if rank is None else f"one of {rank} dimensions there"
            raise UsageError(
                f"--layer {tensor}: the graph has {told}; name a map (batch, C, H, W) or a vector "
                "(batch, C)"
            )
        pooled = self._node("GlobalAveragePool", [tensor], f"pooled{number}")
        return self._node("Flatten", [pooled], f"vector{number}", axis=1)

    def _from_centre(self, white: str, centre: Matrix, number: int) -> str:
        named = self._constant(f"centre{number}", centre[np.newaxis])
        away = self._node("Sub", [white, named], f"away{number}")
        square = self._node("Mul", [away, away], f"square{number}")
        return self._reduce("ReduceMean", square, f"distance{number}")

    def _reduce(self, operator: str, tensor: str, output: str) -> str:
        """(batch, n) -> (batch, 1). WebGPU knows no Min of several tensors."""
        if self._opset < REDUCE_AXES_INPUT:
            return self._node(operator, [tensor], output, axes=[1], keepdims=1)
        axes = self._constant(f"{output}.axes", np.array([1], np.int64))
        return self._node(operator, [tensor, axes], output, keepdims=1)

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        constant = numpy_helper.from_array(np.ascontiguousarray(values), PREFIX + name)
        self._proto.graph.initializer.append(constant)
        return PREFIX + name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self._add(operator, inputs, PREFIX + output, **attributes)

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        name = output if output.startswith(PREFIX) else f"{PREFIX}{output}"
        self._proto.graph.node.append(
            helper.make_node(operator, inputs, [output], name=name, **attributes)
        )
        return output


def _ranks(proto: onnx.ModelProto) -> dict[str, int]:
    """The number of dimensions of each tensor that shape inference finds."""
    graph = shape_inference.infer_shapes(proto).graph
    return {
        entry.name: len(entry.type.tensor_type.shape.dim)
        for entry in (*graph.value_info, *graph.output)
        if entry.type.tensor_type.HasField("shape")
    }


def _is_computed(name: str, makers: dict[str, onnx.NodeProto], constants: set[str]) -> bool:
    """Whether a tensor depends on the input of the graph."""
    return any(_ancestors(name, makers, constants))


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
