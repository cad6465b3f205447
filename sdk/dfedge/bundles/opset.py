"""What the installed onnxruntime can do: whether it imports, which ONNX opsets it reads."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from dfedge.errors import RuntimeUnavailableError

OLDEST_RUNTIME_OPSET = 21
"""What onnxruntime 1.20, the oldest this distribution allows, supports
(https://onnxruntime.ai/docs/reference/compatibility.html): up to here nothing need be tried."""

_HIGHEST_TRIED = 255


def import_onnxruntime() -> Any:
    """The ``onnxruntime`` module, untyped as it is; imported when first needed, since it is slow.

    Raises:
        RuntimeUnavailableError: it is not installed or does not load.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"onnxruntime cannot be imported ({error}); pip install --force-reinstall onnxruntime"
        ) from error


@functools.cache
def newest_runtime_opset() -> int:
    """Found by opening one-node models of rising opset, well under a millisecond each.

    onnxruntime tells the number nowhere but in the error for a model that is above it.
    """
    opset = OLDEST_RUNTIME_OPSET
    while opset < _HIGHEST_TRIED and _opens(opset + 1):
        opset += 1
    return opset


def _opens(opset: int) -> bool:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(
            _identity_model(opset), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # onnxruntime's exceptions have no common base but this one
        return False
    return True


def _identity_model(opset: int) -> bytes:
    """``y = Identity(x)`` on one float, as the protobuf bytes of ``onnx.proto``."""
    value_type = _message(1, _number(1, 1) + _message(2, _message(1, _number(1, 1))))
    node = _message(1, b"x") + _message(2, b"y") + _message(4, b"Identity")
    graph = (
        _message(1, node)
        + _message(2, b"g")
        + _message(11, _message(1, b"x") + _message(2, value_type))
        + _message(12, _message(1, b"y") + _message(2, value_type))
    )
    return _number(1, 8) + _message(7, graph) + _message(8, _number(2, opset))


def _message(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2, len(content)]) + content


def _number(field: int, value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([field << 3, low | 0x80, high]) if high else bytes([field << 3, low])
