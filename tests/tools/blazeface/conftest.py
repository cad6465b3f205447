"""Tiny TFLite models, one operator each, to compare with their ONNX form."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfedge.errors import MissingExtraError

with contextlib.suppress(MissingExtraError):  # then the test modules skip, with the reason
    from dfedge_tools.blazeface.litert import flatbuffers, schema

SIDE = 16
"""Side of the tiny models' input."""


class TinyModel:
    """Builds a TFLite model: one image in, some operators, regressors and logits out."""

    def __init__(self, side: int, *, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.operatorCodes = []
        empty = schema.BufferT()
        self._model.buffers = [empty]
        self._subgraph = schema.SubGraphT()
        self._subgraph.tensors, self._subgraph.operators = [], []
        self._model.subgraphs = [self._subgraph]
        self.image = self.tensor((1, side, side, 3))

    def tensor(
        self, shape: tuple[int, ...], data: np.ndarray[Any, Any] | None = None, *, kind: int = 0
    ) -> int:
        """Add a tensor, with data a constant; return its index."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self._subgraph.tensors)}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._subgraph.tensors.append(tensor)
        return len(self._subgraph.tensors) - 1

    def integers(self, values: list[Any]) -> int:
        """Add an int32 constant."""
        data = np.asarray(values, np.int32)
        return self.tensor(data.shape, data, kind=schema.TensorType.INT32)

    def weights(self, shape: tuple[int, ...]) -> int:
        """Add random float16 weights and the operator that makes them float32."""
        data = self._generator.normal(0, 0.5, shape).astype(np.float16)
        half = self.tensor(shape, data, kind=schema.TensorType.FLOAT16)
        return self.operator("DEQUANTIZE", [half], shape)

    def operator(
        self, kind: str, inputs: list[int], shape: tuple[int, ...], options: Any = None
    ) -> int:
        """Add an operator with one output of the given shape; return the output's index."""
        output = self.tensor(shape)
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = code.builtinCode
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes)
        self._model.operatorCodes.append(code)
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            operator.builtinOptions = options
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self._subgraph.operators.append(operator)
        return output

    def convolution(self, source: int, channels: int, **options: Any) -> int:
        """Add a convolution with bias; see :meth:`window` for the options."""
        _, height, width, depth = self.shape(source)
        kernel = options.pop("kernel", (1, 1))
        window, size = self.window(schema.Conv2DOptionsT(), (height, width), kernel, **options)
        weights = self.weights((channels, *kernel, depth))
        inputs = [source, weights, self.weights((channels,))]
        return self.operator("CONV_2D", inputs, (1, *size, channels), window)

    def window(
        self,
        table: Any,
        size: tuple[int, int],
        kernel: tuple[int, int],
        *,
        same: bool = True,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = False,
    ) -> tuple[Any, tuple[int, ...]]:
        """Fill the options of a sliding window; return them and the size that comes out."""
        table.padding = schema.Padding.SAME if same else schema.Padding.VALID
        table.strideH = table.strideW = stride
        if hasattr(table, "dilationHFactor"):
            table.dilationHFactor = table.dilationWFactor = dilation
        table.fusedActivationFunction = int(relu)
        reaches = [(edge - 1) * dilation + 1 for edge in kernel]
        lost = [0 if same else reach - 1 for reach in reaches]
        return table, tuple(-(-(n - k) // stride) for n, k in zip(size, lost, strict=True))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._subgraph.tensors[tensor].shape)

    def finish(self, feature: int) -> bytes:
        """Put BlazeFace's two outputs on a feature map and return the file."""
        _, height, width, _ = self.shape(feature)
        outputs = []
        for channels in (16, 1):
            head = self.convolution(feature, channels)
            shape = (1, height * width, channels)
            outputs.append(self.reshape(head, shape))
        return self.pack(outputs)

    def reshape(self, source: int, shape: tuple[int, ...]) -> int:
        """Add a reshape."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        return self.operator("RESHAPE", [source, self.integers(list(shape))], shape, options)

    def pack(self, outputs: list[int]) -> bytes:
        """Return the file with the given outputs."""
        self._subgraph.inputs, self._subgraph.outputs = [self.image], outputs
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


@pytest.fixture
def tiny_model() -> Callable[[], TinyModel]:
    """Starts a model of one small image."""
    return lambda: TinyModel(SIDE)
