"""A smaller graph that computes the same: weights stored short, arithmetic unchanged in float32.

Chosen weights are stored as int8 with a float32 scale for each output channel (symmetric, nearest),
other large constants as float16. Two kinds of nodes bring them back, ``Cast`` and ``Mul`` of
constants, which runtimes compute once when they load the model. So activations are never quantized,
a crop's logit does not hang on the others in its batch, and no provider needs integer operators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge_tools.quantizing.layers import SMALLEST, Layer

INT8_MAX = 127
CHUNK = 1 << 20
"""Elements that are rounded at once."""
HALF_MAX = float(np.finfo(np.float16).max)


def store_short(
    proto: onnx.ModelProto, layers: Iterable[Layer], half: Collection[str]
) -> onnx.ModelProto:
    """The model with the weights of layers stored as int8.

    Args:
        proto: loses its constants.
        half: names of constants to store as float16, where they are large, float32 and within its
            range.
    """
    axes = {layer.weight: layer.axis for layer in layers}
    stored: list[onnx.TensorProto] = []
    restoring: list[onnx.NodeProto] = []
    for constant in proto.graph.initializer:
        tensors, nodes = _short_form(constant, axes.get(constant.name), half)
        stored += tensors
        restoring += nodes
    nodes = [*restoring, *proto.graph.node]
    del proto.graph.initializer[:]
    del proto.graph.node[:]
    # A message gives no memory back before it ends as a whole, so the result is a new one.
    short: onnx.ModelProto = onnx.ModelProto.FromString(proto.SerializeToString())
    short.graph.initializer.extend(stored)
    short.graph.node.extend(nodes)
    return short


def int8_levels(
    values: npt.NDArray[Any], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Levels -127 to 127 and their scales, which broadcast against them: one for each channel."""
    others = tuple(place for place in range(values.ndim) if place != axis)
    largest = np.maximum(
        values.max(axis=others, keepdims=True), -values.min(axis=others, keepdims=True)
    )
    scale = np.where(largest > 0, largest / INT8_MAX, 1.0).astype(np.float32)
    levels = np.empty(values.shape, np.int8)
    step = max(1, CHUNK // prod(values.shape[1:]))
    for start in range(0, len(values), step):  # a weight may have a gigabyte
        rows = slice(start, start + step)
        exact = values[rows] / (scale[rows] if axis == 0 else scale)
        levels[rows] = np.clip(np.rint(exact), -INT8_MAX, INT8_MAX)
    return levels, scale


def fits_half(values: npt.NDArray[Any]) -> bool:
    """Whether float16 holds the values: it ends at 65504."""
    return bool(max(values.max(), -values.min()) <= HALF_MAX)


def _short_form(
    constant: onnx.TensorProto, axis: int | None, half: Collection[str]
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """What is stored for a constant, and the nodes that restore it."""
    name = constant.name
    if constant.data_type != TensorProto.FLOAT or prod(constant.dims) < SMALLEST:
        return [constant], []
    values = numpy_helper.to_array(constant)
    if axis is not None:
        levels, scale = int8_levels(values, axis)
        tensors = [
            numpy_helper.from_array(levels, f"{name}.short"),
            numpy_helper.from_array(scale, f"{name}.scale"),
        ]
        raised = f"{name}.levels"
        parts = [raised, f"{name}.scale"]
        multiply = helper.make_node("Mul", parts, [name], name=f"{name}.restore")
        return tensors, [_cast(f"{name}.short", raised), multiply]
    if name not in half or not fits_half(values):
        return [constant], []
    short = numpy_helper.from_array(values.astype(np.float16), f"{name}.short")
    return [short], [_cast(f"{name}.short", name)]


def _cast(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=TensorProto.FLOAT)
