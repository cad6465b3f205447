"""ONNX Runtime's own format (``.ort``), and what a phone's accelerators make of a graph.

The file holds the graph after ONNX Runtime's optimizations for a CPU, without those for one kind of
processor, so it opens quickly and in builds that cannot read ONNX. Version 6 of the format is
written by, and needs, ONNX Runtime 1.16 or later.
https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from dfedge.bundles.opset import import_onnxruntime

NOT_PORTABLE = ("NchwcTransformer",)
"""Optimizations that suit the exporting machine's processor only."""


@dataclass(frozen=True, slots=True)
class Usability:
    """How much of a graph an accelerator can take, if its batch is fixed.

    Attributes:
        accelerator: NNAPI (Android) or CoreML (Apple).
        advice: yes, maybe or no: whether it is worth a try.
        supported: nodes it takes.
        nodes: of the graph.
        parts: pieces the graph falls into; each border costs a copy.
        missing: operators it lacks.
    """

    accelerator: str
    advice: str
    supported: int
    nodes: int
    parts: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        lacks = f"; it lacks {', '.join(self.missing)}" if self.missing else ""
        return (
            f"{self.accelerator}: {self.advice}: takes {self.supported} of {self.nodes} nodes in "
            f"{self.parts} parts{lacks}"
        )


def to_ort_format(graph: bytes) -> bytes:
    """An ONNX graph in ONNX Runtime's format, optimized.

    The bytes differ from run to run (ONNX Runtime orders the constants by their place in memory);
    what they compute does not.
    """
    runtime = import_onnxruntime()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.ort"
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(path)
        options.add_session_config_entry("session.save_model_format", "ORT")
        runtime.InferenceSession(
            graph,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=list(NOT_PORTABLE),
        )
        return path.read_bytes()


def check_usability(graph: bytes) -> tuple[Usability, ...]:
    """What ``onnxruntime.tools.check_onnx_model_mobile_usability`` finds, as data."""
    from onnxruntime.tools.mobile_helpers import usability_checker as checker
    from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model

    logging.getLogger("default").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        source, optimized = Path(scratch) / "source.onnx", Path(scratch) / "optimized.onnx"
        source.write_bytes(graph)
        optimize_model(source, optimized)
        proto: onnx.ModelProto = ModelProtoWithShapeInfo(optimized).model_with_shape_info
        found = {
            "NNAPI": checker.check_nnapi_partitions(proto, False),
            "CoreML": checker.check_coreml_partitions(
                proto, False, "coreml_supported_mlprogram_ops.md"
            ),
        }
    return tuple(_usability(name, info) for name, info in found.items())


def _usability(accelerator: str, info: Any) -> Usability:
    return Usability(
        accelerator=accelerator,
        advice=str(info.suitability().name).lower(),
        supported=info.num_supported_nodes,
        nodes=info.num_nodes,
        parts=info.num_partitions,
        missing=tuple(sorted(name.removeprefix("ai.onnx:") for name in info.unsupported_ops)),
    )
