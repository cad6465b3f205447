"""Layers as products of int8 numbers with fixed ranges: ONNX Runtime's static quantization (QDQ).

What is written are ``QuantizeLinear`` and ``DequantizeLinear`` nodes around the layers; a runtime
with int8 kernels for them fuses the three, another computes in float32.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.quant_utils import QuantFormat, QuantType
from onnxruntime.quantization.quantize import quantize_static

from dfedge.types import Tensor
from dfedge_tools.quantizing.layers import Layer
from dfedge_tools.quantizing.recipes import Ranges

CHUNK = 8
"""Inputs whose activations are in memory at once."""
METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}


class StaticQuantizer:
    """Puts int8 around layers; ranges are found once and used for all choices of layers.

    Args:
        inputs: of the model, (N, ...), to find the ranges on; evenly chosen, at most
            ``ranges.count``.
    """

    def __init__(self, ranges: Ranges, inputs: Tensor) -> None:
        self.ranges = ranges
        count = min(ranges.count, len(inputs))
        self._inputs = inputs[[index * len(inputs) // count for index in range(count)]]
        self._found: bytes | None = None

    def __len__(self) -> int:
        """Inputs that ranges are found on."""
        return len(self._inputs)

    def quantize(self, proto: onnx.ModelProto, layers: Sequence[Layer]) -> onnx.ModelProto:
        """The model with the layers in int8."""
        if not layers:
            return proto
        nodes = [name for layer in layers for name in layer.nodes]
        kinds = sorted({node.op_type for node in proto.graph.node if node.name in set(nodes)})
        with tempfile.TemporaryDirectory(prefix="dfedge-") as folder:
            target, cache = Path(folder) / "int8.onnx", Path(folder) / "ranges.json"
            if self._found is not None:
                cache.write_bytes(self._found)
            with _silence():
                quantize_static(
                    proto,
                    target,
                    _Reader(proto.graph.input[0].name, self._inputs),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=kinds,
                    nodes_to_quantize=nodes,
                    per_channel=True,
                    activation_type=QuantType.QInt8,
                    weight_type=QuantType.QInt8,
                    calibrate_method=METHODS[self.ranges.method],
                    extra_options=self._options(),
                    **({"calibration_cache_path": cache} if _KNOWS_CACHE else {}),
                )
            if cache.exists():
                self._found = cache.read_bytes()
            return onnx.load(target)

    def _options(self) -> dict[str, object]:
        return {
            "ActivationSymmetric": self.ranges.symmetric,
            "CalibTensorRangeSymmetric": self.ranges.symmetric,
            "CalibPercentile": self.ranges.percentile,
            "CalibStridedMinMax": 1,
        }


_KNOWS_CACHE = "calibration_cache_path" in inspect.signature(quantize_static).parameters


class _Reader(CalibrationDataReader):
    """Hands out inputs in chunks, so that only a chunk's activations are held at once."""

    def __init__(self, name: str, inputs: Tensor) -> None:
        self._name = name
        self._chunks = [inputs[start : start + CHUNK] for start in range(0, len(inputs), CHUNK)]
        self._next = iter(self._chunks)

    def __len__(self) -> int:
        return len(self._chunks)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Hand out only these chunks."""
        self._next = iter(self._chunks[start_index:end_index])

    def get_next(self) -> dict[str, Tensor]:
        """The next chunk; empty at the end."""
        chunk = next(self._next, None)
        return {} if chunk is None else {self._name: chunk}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """onnxruntime prints its progress and advice for other uses."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
