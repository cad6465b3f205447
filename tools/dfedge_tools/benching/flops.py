"""Floating-point operations of a model: twice the multiply-adds of its convolutions and products.

What activations, normalisation and data movement cost is left out, as is usual, so a model cannot
reach the machine's peak even where every product does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import onnx
import onnxsim
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, shape_inference

from dfedge.errors import BundleFormatError

if TYPE_CHECKING:
    from dfedge_models import DetectorModel

KEPT_BYTES = 4096
"""Constants up to this size stay for shape inference, which reads target shapes from them."""

Shape = tuple[int, ...]
Counter = Callable[[NodeProto, Sequence[Shape], Shape], int]


def graph_flops(model: bytes, *, batch: int = 1) -> float:
    """Of one input of an ONNX graph, when it runs in batches of ``batch``.

    Raises:
        BundleFormatError: a shape that the count needs cannot be inferred.
    """
    graph = _with_shapes(onnx.load_from_string(model), batch)
    shapes = _shapes(graph)
    total = 0
    for node in graph.node:
        counter = _COUNTERS.get(node.op_type)
        if counter is None:
            continue
        try:
            inputs = [shapes[name] if name else () for name in node.input]
            total += counter(node, inputs, shapes[node.output[0]])
        except KeyError as error:
            raise BundleFormatError(
                f"the shape of {error} at node {node.name or node.op_type!r} cannot be inferred, "
                "so the operations cannot be counted"
            ) from error
    return 2 * total / batch


def torch_flops(model: DetectorModel) -> float:
    """Of one input of a torch model; its tensors may be on the meta device, nothing is computed."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    inputs = torch.zeros(model.signature.input_shape(1), device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs)
    return float(counter.get_total_flops())


def _with_shapes(proto: ModelProto, batch: int) -> GraphProto:
    """The graph for one batch; what it computes of shapes alone is folded, so that all are known.

    Large constants lose their content: a gigabyte of weights need not be copied to count.
    """
    for value in proto.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    _drop_contents(proto.graph)
    del proto.graph.value_info[:]
    try:
        folded, _ = onnxsim.simplify(proto, check_n=0, perform_optimization=False)
    except RuntimeError as error:  # its one kind of exception
        raise BundleFormatError(f"the operations cannot be counted: {error}") from error
    return shape_inference.infer_shapes(folded, data_prop=True).graph


def _shapes(graph: GraphProto) -> dict[str, Shape]:
    """Of every tensor whose shape is known."""
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if all(dimension.HasField("dim_value") for dimension in dimensions):
            shapes[value.name] = tuple(dimension.dim_value for dimension in dimensions)
    return shapes


def _drop_contents(graph: GraphProto) -> None:
    """Turn large constants into inputs of the same shape."""
    small: list[TensorProto] = []
    for tensor in graph.initializer:
        if len(tensor.raw_data) <= KEPT_BYTES:
            small.append(tensor)
        else:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(value)
    kept = [tensor.SerializeToString() for tensor in small]
    del graph.initializer[:]
    for content in kept:
        graph.initializer.add().ParseFromString(content)


def _convolution(weight: int) -> Counter:
    """Each output number sums over the weights of its channel: (out, in / groups, *kernel)."""
    return lambda node, inputs, output: math.prod(output) * math.prod(inputs[weight][1:])


def _transposed_convolution(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    """Each input number meets the weights of its channel: (in, out / groups, *kernel)."""
    return math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _product(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    """(..., M, K) times (..., K, N)."""
    return math.prod(output) * inputs[0][-1]


def _general_product(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    """(M, K), or (K, M) with ``transA``, times the other."""
    turned = any(item.name == "transA" and item.i for item in node.attribute)
    return math.prod(output) * inputs[0][0 if turned else 1]


_COUNTERS: dict[str, Counter] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "DynamicQuantizeMatMul": _product,
    "MatMulIntegerToFloat": _product,
    "Gemm": _general_product,
}
