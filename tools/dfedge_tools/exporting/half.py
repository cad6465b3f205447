"""A graph that computes in float16, for engines that gain speed by it.

Inputs and outputs stay float32. So do norms, softmax and sums over many values, where float16 runs
out of range or digits (its largest number is 65504, and it has eleven bits of precision), and what
the converter of ONNX Runtime never touches.
"""

from __future__ import annotations

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from dfedge_tools.exporting.graph import strip

SAFE_IN_FLOAT32 = (
    "BatchNormalization",
    "Exp",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "Pow",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Softmax",
)
"""Operators whose sums or powers leave the range of float16."""
DESCRIPTION = "float16 arithmetic; inputs, outputs, norms, softmax and long sums float32"


def to_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in float16; `proto` stays as it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    converted: onnx.ModelProto = convert_float_to_float16(  # type: ignore[no-untyped-call]
        copy,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *SAFE_IN_FLOAT32],
    )
    return strip(_sorted(converted))


def _sorted(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Its nodes in an order in which each comes after those it needs; ONNX demands one."""
    known = {entry.name for entry in proto.graph.initializer}
    known |= {entry.name for entry in proto.graph.input} | {""}
    waiting = list(proto.graph.node)
    ordered: list[onnx.NodeProto] = []
    while waiting:
        later = []
        for node in waiting:
            if known.issuperset(node.input):
                ordered.append(node)
                known.update(node.output)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ValueError("the graph has a cycle")
        waiting = later
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)
    return proto
