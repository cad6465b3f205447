"""Writes a plain TFLite graph as an ONNX graph that Python and the browser can both run.

The ONNX input is the one of all bundles of this project: float32 RGB, (N, 3, H, W), here in
[-1, 1]; N may be any number. The two outputs are the raw tensors of the ``.tflite`` with its order
of anchors: regressors (N, anchors, 16) and logits (N, anchors, 1). Weights stay float16 in the
file, as MediaPipe ships them; nodes that runtimes fold away at load cast them to float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge_tools.blazeface.tflite_reader import (
    TfliteGraph,
    TfliteOperator,
    UnsupportedTfliteError,
)

OPSET = 20
IR_VERSION = 9
"""The one opset 20 came with; runtimes refuse an IR newer than they are."""
INPUT_NAME = "image"
REGRESSORS_NAME = "regressors"
LOGITS_NAME = "logits"


def write_onnx(graph: TfliteGraph, *, name: str) -> onnx.ModelProto:
    """Return the ONNX model of ``graph``.

    Raises:
        UnsupportedTfliteError: the graph is no BlazeFace (one NHWC image in, regressors and logits
            out) or has an operator in a form not known here.
    """
    return _Writer(graph, name).write()


class _Writer:
    """Walks the operators once; 4-D tensors are kept channels first, others as they are."""

    def __init__(self, graph: TfliteGraph, name: str) -> None:
        self._graph = graph
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        # tensors that hold weights: DEQUANTIZE of a constant is one too
        self._constants = {
            index: tensor.data
            for index, tensor in enumerate(graph.tensors)
            if tensor.data is not None
        }

    def write(self) -> onnx.ModelProto:
        (image,) = self._graph.inputs
        _, height, width, channels = self._graph.tensors[image].shape
        for operator in self._graph.operators:
            self._write_operator(operator)
        outputs = [self._write_output(index) for index in self._graph.outputs]
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [
                helper.make_tensor_value_info(
                    INPUT_NAME, TensorProto.FLOAT, ["batch", channels, height, width]
                )
            ],
            sorted(outputs, key=lambda output: output.name, reverse=True),
            list(self._initializers.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="dfedge_tools.convert_blazeface",
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _write_output(self, index: int) -> onnx.ValueInfoProto:
        _, anchors, size = self._graph.tensors[index].shape
        name = {1: LOGITS_NAME, 16: REGRESSORS_NAME}.get(size)
        if name is None:
            raise UnsupportedTfliteError(f"output with {size} values an anchor is no BlazeFace")
        self._node("Identity", [self._value(index)], name)
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", anchors, size])

    def _write_operator(self, operator: TfliteOperator) -> None:
        write = {
            "ADD": self._write_add,
            "CONCATENATION": self._write_concatenation,
            "CONV_2D": self._write_convolution,
            "DEPTHWISE_CONV_2D": self._write_convolution,
            "DEQUANTIZE": self._fold_constant,
            "MAX_POOL_2D": self._write_max_pool,
            "PAD": self._write_pad,
            "RELU": self._write_relu,
            "RESHAPE": self._write_reshape,
            "RESIZE_BILINEAR": self._write_resize,
        }[operator.kind]
        write(operator)

    def _fold_constant(self, operator: TfliteOperator) -> None:
        self._constants[operator.outputs[0]] = self._constant(operator.inputs[0])

    def _write_convolution(self, operator: TfliteOperator) -> None:
        source, kernel_index, bias_index = operator.inputs
        kernel = self._constant(kernel_index)
        depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        # depthwise (1, H, W, C) -> (C, 1, H, W); full (O, H, W, I) -> (O, I, H, W)
        kernel = kernel.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        kernel_size = kernel.shape[2:]
        inputs = [
            self._value(source),
            self._weights(f"kernel_{kernel_index}", kernel),
            self._weights(f"bias_{bias_index}", self._constant(bias_index)),
        ]
        self._activated(
            "Conv",
            inputs,
            operator,
            group=kernel.shape[0] if depthwise else 1,
            kernel_shape=list(kernel_size),
            strides=list(operator.options["strides"]),
            dilations=list(operator.options["dilations"]),
            pads=self._pads(operator, kernel_size, operator.options["dilations"]),
        )

    def _write_max_pool(self, operator: TfliteOperator) -> None:
        kernel_size = operator.options["kernel"]
        self._activated(
            "MaxPool",
            [self._value(operator.inputs[0])],
            operator,
            kernel_shape=list(kernel_size),
            strides=list(operator.options["strides"]),
            pads=self._pads(operator, kernel_size, (1, 1)),
        )

    def _pads(
        self,
        operator: TfliteOperator,
        kernel_size: tuple[int, ...],
        dilations: tuple[int, ...],
    ) -> list[int]:
        """Return ONNX pads [top, left, bottom, right]; the odd row of "same" goes to the end."""
        if operator.options["padding"] == "valid":
            return [0, 0, 0, 0]
        image_size = self._graph.tensors[operator.inputs[0]].shape[1:3]
        totals = []
        for size, kernel, stride, dilation in zip(
            image_size, kernel_size, operator.options["strides"], dilations, strict=True
        ):
            reach = (kernel - 1) * dilation + 1
            totals.append(max((-(-size // stride) - 1) * stride + reach - size, 0))
        begins = [total // 2 for total in totals]
        return begins + [total - begin for total, begin in zip(totals, begins, strict=True)]

    def _write_add(self, operator: TfliteOperator) -> None:
        self._activated("Add", [self._value(index) for index in operator.inputs], operator)

    def _write_relu(self, operator: TfliteOperator) -> None:
        self._node("Relu", [self._value(operator.inputs[0])], self._value(operator.outputs[0]))

    def _write_pad(self, operator: TfliteOperator) -> None:
        source, paddings_index = operator.inputs
        paddings = self._constant(paddings_index)[[0, 3, 1, 2]]  # rows N, H, W, C -> N, C, H, W
        pads = self._initializer(f"pads_{paddings_index}", paddings.T.reshape(-1).astype(np.int64))
        self._node("Pad", [self._value(source), pads], self._value(operator.outputs[0]))

    def _write_resize(self, operator: TfliteOperator) -> None:
        source, output = operator.inputs[0], operator.outputs[0]
        before = self._graph.tensors[source].shape[1:3]
        after = self._graph.tensors[output].shape[1:3]
        factors = [1.0, 1.0, after[0] / before[0], after[1] / before[1]]
        scales = self._initializer(f"scales_{output}", np.asarray(factors, np.float32))
        self._node(
            "Resize",
            [self._value(source), "", scales],
            self._value(output),
            mode="linear",
            coordinate_transformation_mode=operator.options["coordinates"],
        )

    def _write_reshape(self, operator: TfliteOperator) -> None:
        source, output = operator.inputs[0], operator.outputs[0]
        shape = self._graph.tensors[output].shape
        if len(self._graph.tensors[source].shape) != 4 or len(shape) != 3:
            raise UnsupportedTfliteError(f"reshape to {shape} is not known to the converter")
        channels_last = self._node(
            "Transpose", [self._value(source)], f"channels_last_{output}", perm=[0, 2, 3, 1]
        )
        # 0 keeps the batch, whatever its size
        target = self._initializer(f"shape_{output}", np.asarray([0, *shape[1:]], np.int64))
        self._node("Reshape", [channels_last, target], self._value(output))

    def _write_concatenation(self, operator: TfliteOperator) -> None:
        if len(self._graph.tensors[operator.outputs[0]].shape) != 3:
            raise UnsupportedTfliteError("only (N, anchors, values) tensors are concatenated")
        self._activated(
            "Concat",
            [self._value(index) for index in operator.inputs],
            operator,
            axis=operator.options["axis"],
        )

    def _activated(
        self, kind: str, inputs: list[str], operator: TfliteOperator, **attributes: Any
    ) -> None:
        """Write a node and the activation fused into the TFLite operator, if any."""
        output = self._value(operator.outputs[0])
        if operator.options["activation"] == "none":
            self._node(kind, inputs, output, **attributes)
            return
        before = self._node(kind, inputs, f"{output}_before_relu", **attributes)
        self._node("Relu", [before], output)

    def _constant(self, index: int) -> npt.NDArray[Any]:
        if index not in self._constants:
            name = self._graph.tensors[index].name
            raise UnsupportedTfliteError(f"tensor {name} was expected to be a constant")
        return self._constants[index]

    def _weights(self, name: str, values: npt.NDArray[Any]) -> str:
        """Store weights as they are in the file and return the name of their float32 form."""
        if name in self._initializers:
            return f"{name}_float" if values.dtype == np.float16 else name
        self._initializer(name, values)
        if values.dtype != np.float16:
            return name
        return self._node("Cast", [name], f"{name}_float", to=TensorProto.FLOAT)

    def _initializer(self, name: str, values: Any) -> str:
        if name not in self._initializers:
            contiguous = np.ascontiguousarray(values).reshape(np.shape(values))
            self._initializers[name] = numpy_helper.from_array(contiguous, name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _value(self, index: int) -> str:
        return INPUT_NAME if index in self._graph.inputs else f"tensor_{index}"
