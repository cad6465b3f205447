"""Reads a ``.tflite`` flatbuffer into a plain graph: tensors, operators, options by name.

Only what the BlazeFace files use is read; anything else is refused by name, so that a new
version of the files cannot be converted wrongly without notice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dfedge.errors import DfedgeError
from dfedge_tools.blazeface.litert import schema


class UnsupportedTfliteError(DfedgeError):
    """The file is no TFLite model, or holds something that the converter does not know."""


@dataclass(frozen=True)
class TfliteTensor:
    """One tensor; ``data`` is None for what is computed at run time."""

    name: str
    shape: tuple[int, ...]
    data: npt.NDArray[Any] | None


@dataclass(frozen=True)
class TfliteOperator:
    """One operator; ``inputs`` and ``outputs`` index ``TfliteGraph.tensors``."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TfliteGraph:
    """The only subgraph of a file, operators in the order they are to be run."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(content: bytes) -> TfliteGraph:
    """Read the only subgraph of a file.

    Raises:
        UnsupportedTfliteError: the bytes are no TFLite model, have several subgraphs, or hold a
            type, operator or option that the converter does not know.
    """
    if content[4:8] != b"TFL3":
        raise UnsupportedTfliteError("not a TFLite model: it lacks the identifier TFL3")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        raise UnsupportedTfliteError(f"the model has {len(model.subgraphs)} subgraphs, not one")
    subgraph = model.subgraphs[0]
    return TfliteGraph(
        tensors=tuple(_read_tensor(model, tensor) for tensor in subgraph.tensors),
        operators=tuple(_read_operator(model, operator) for operator in subgraph.operators),
        inputs=_indices(subgraph.inputs),
        outputs=_indices(subgraph.outputs),
    )


_DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    schema.TensorType.FLOAT16: np.dtype("<f2"),
    schema.TensorType.INT32: np.dtype("<i4"),
}

_KINDS: dict[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: "none",
    schema.ActivationFunctionType.RELU: "relu",
}


def _indices(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _read_tensor(model: Any, tensor: Any) -> TfliteTensor:
    name = tensor.name.decode("utf-8")
    if tensor.type not in _DTYPES:
        raise UnsupportedTfliteError(f"tensor {name} has the unknown TFLite type {tensor.type}")
    if tensor.sparsity is not None:
        raise UnsupportedTfliteError(f"tensor {name} is sparse; convert the dense model instead")
    shape = () if tensor.shape is None else _indices(tensor.shape)
    stored = model.buffers[tensor.buffer].data
    if stored is None or len(stored) == 0:
        return TfliteTensor(name=name, shape=shape, data=None)
    values = np.frombuffer(bytes(bytearray(stored)), _DTYPES[tensor.type])
    return TfliteTensor(name=name, shape=shape, data=values.reshape(shape))


def _read_operator(model: Any, operator: Any) -> TfliteOperator:
    code = model.operatorCodes[operator.opcodeIndex]
    # files written before 2020 keep the operator in the one-byte field only
    kind = _KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if kind not in _OPTION_READERS:
        raise UnsupportedTfliteError(f"operator {kind} is not known to the converter")
    return TfliteOperator(
        kind=kind,
        inputs=_indices(operator.inputs),
        outputs=_indices(operator.outputs),
        options=_OPTION_READERS[kind](operator.builtinOptions),
    )


def _no_options(_options: Any) -> dict[str, Any]:
    return {}


def _activation_options(options: Any) -> dict[str, Any]:
    activation = options.fusedActivationFunction
    if activation not in _ACTIVATIONS:
        raise UnsupportedTfliteError(f"fused activation {activation} is not known to the converter")
    return {"activation": _ACTIVATIONS[activation]}


def _window_options(options: Any) -> dict[str, Any]:
    return {
        "padding": "same" if options.padding == schema.Padding.SAME else "valid",
        "strides": (options.strideH, options.strideW),
        **_activation_options(options),
    }


def _convolution_options(options: Any) -> dict[str, Any]:
    dilations = (options.dilationHFactor, options.dilationWFactor)
    return {"dilations": dilations, **_window_options(options)}


def _depthwise_options(options: Any) -> dict[str, Any]:
    if options.depthMultiplier != 1:
        raise UnsupportedTfliteError(f"depth multiplier {options.depthMultiplier} is not 1")
    return _convolution_options(options)


def _pool_options(options: Any) -> dict[str, Any]:
    kernel = (options.filterHeight, options.filterWidth)
    return {"kernel": kernel, **_window_options(options)}


def _concatenation_options(options: Any) -> dict[str, Any]:
    return {"axis": options.axis, **_activation_options(options)}


def _resize_options(options: Any) -> dict[str, Any]:
    if options.alignCorners:
        return {"coordinates": "align_corners"}
    return {"coordinates": "half_pixel" if options.halfPixelCenters else "asymmetric"}


_OPTION_READERS = {
    "ADD": _activation_options,
    "CONCATENATION": _concatenation_options,
    "CONV_2D": _convolution_options,
    "DEPTHWISE_CONV_2D": _depthwise_options,
    "DEQUANTIZE": _no_options,
    "MAX_POOL_2D": _pool_options,
    "PAD": _no_options,
    "RELU": _no_options,
    "RESHAPE": _no_options,
    "RESIZE_BILINEAR": _resize_options,
}
