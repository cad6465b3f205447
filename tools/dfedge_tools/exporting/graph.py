"""A torch model as an ONNX graph that gives the same numbers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxsim
import torch

from dfedge.bundles.opset import import_onnxruntime
from dfedge.errors import FidelityError, UsageError
from dfedge_models import DetectorModel

OPSET = 20
IR_VERSION = 10
"""What torch's exporter writes for opset 20; onnxruntime 1.18 and later read it."""
INPUT_NAME = "input"
OUTPUT_NAME = "logit"
TOLERANCE = 1e-4
"""Largest difference of a logit from torch's."""
BATCH_SIZES = (1, 2, 5)
CLIP_BATCH_SIZES = (1, 2)
"""Of a model of clips, one of which costs seconds."""
CHECK_SEED = 20261121
SIMPLIFY_LIMIT = 1_000_000_000
"""Bytes of weights; onnxsim holds several copies of the graph at once."""
FILE_LIMIT = (1 << 31) - (1 << 24)
"""Bytes of weights in one protobuf message of 2 GiB, with room for the graph around them."""

Floats = npt.NDArray[np.float32]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export was checked to be.

    Attributes:
        nodes: of the graph.
        max_difference: largest difference of a logit from torch's, over all batches.
        batch_sizes: those it was checked with.
        simplified: what onnxsim did, or why it was left out.
    """

    nodes: int
    max_difference: float
    batch_sizes: tuple[int, ...]
    simplified: str


def export_onnx(
    model: DetectorModel,
    path: Path,
    *,
    opset: int = OPSET,
    batch_sizes: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> ExportReport:
    """Write a model as ONNX: ``input`` (batch, 3, S, S) in, ``logit`` (batch, classes) out.

    The batch is free. Nothing but the graph is in the file: no trace, no path, no time, so equal
    weights give equal bytes with the same libraries.

    Args:
        model: is put into eval mode.
        opset: 18 to 23.
        batch_sizes: batches of seeded noise to compare with torch; the default has three, or two
            for a model of clips.
        tolerance: largest difference of a logit that passes.

    Raises:
        FidelityError: the graph gives other numbers than torch; nothing is written.
        UsageError: the weights are more than one ONNX file can hold.
    """
    proto, report = export_graph(model, opset=opset, batch_sizes=batch_sizes, tolerance=tolerance)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(serialize(proto))
    return report


def export_graph(
    model: DetectorModel,
    *,
    opset: int = OPSET,
    simplified: bool = True,
    batch_sizes: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
    progress: Progress = lambda step: None,
) -> tuple[onnx.ModelProto, ExportReport]:
    """As :func:`export_onnx`, in memory.

    Args:
        simplified: by onnxsim, unless the graph is over :data:`SIMPLIFY_LIMIT`.
        progress: is told of each step before it begins.
    """
    if batch_sizes is None:
        batch_sizes = BATCH_SIZES if model.signature.frames == 1 else CLIP_BATCH_SIZES
    progress("tracing")
    proto = strip(trace(model, opset=opset))
    before, size = len(proto.graph.node), weight_bytes(proto)
    if size > FILE_LIMIT:
        raise UsageError(
            f"the graph holds {size / 1e9:.1f} GB of weights, over the 2 GB of one ONNX file "
            "(protobuf); weights in files beside it are not for bundles. Export a smaller model"
        )
    said = "not simplified: switched off"
    if simplified and size > SIMPLIFY_LIMIT:
        said = f"not simplified: {size / 1e9:.1f} GB of weights, over {SIMPLIFY_LIMIT / 1e9:g} GB"
    elif simplified:
        progress("simplifying")
        proto = simplify(proto)
        said = f"simplified by onnxsim from {before} to {len(proto.graph.node)} nodes"
    progress("comparing with torch")
    difference = compare(model, proto.SerializeToString(), batch_sizes=batch_sizes)
    if not difference <= tolerance:  # also when it is not a number
        raise FidelityError(
            f"the ONNX graph differs from torch by {difference:.2g} in a logit, over the tolerance "
            f"of {tolerance:.2g}; it was not written. Look for weights that are not finite, or for "
            "an operator that the exporter translates wrongly"
        )
    return proto, ExportReport(len(proto.graph.node), difference, tuple(batch_sizes), said)


def weight_bytes(proto: onnx.ModelProto) -> int:
    """Size of all constants; the rest of a file is less than a percent of a large one."""
    return sum(entry.ByteSize() for entry in proto.graph.initializer)


def trace(model: DetectorModel, *, opset: int) -> onnx.ModelProto:
    """The model's graph as torch's exporter gives it, with a free batch."""
    model.eval()
    example = torch.zeros(model.signature.input_shape(2))
    onnxscript_log = logging.getLogger("onnxscript")
    level = onnxscript_log.level
    onnxscript_log.setLevel(logging.ERROR)  # it tells of each rewrite it does not do
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations, nothing of the model
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    finally:
        onnxscript_log.setLevel(level)
    assert program is not None
    return program.model_proto


def simplify(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with constants folded and nodes merged.

    Raises:
        FidelityError: the simplified graph gives other numbers.
    """
    simplified, same = onnxsim.simplify(proto)
    if not same:
        raise FidelityError(
            "onnxsim changed what the graph computes; export with another version of onnxsim"
        )
    return strip(simplified)


def strip(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what torch notes on each node: source lines and paths of the exporting machine."""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    proto.doc_string = proto.graph.doc_string = ""
    proto.producer_name, proto.producer_version = "dfedge", ""
    proto.ir_version = IR_VERSION
    del proto.graph.value_info[:]
    for part in (proto.graph.node, proto.graph.initializer, proto.graph.input, proto.graph.output):
        for item in part:
            item.doc_string = ""
            del item.metadata_props[:]
    return proto


def serialize(proto: onnx.ModelProto) -> bytes:
    """The file's bytes; equal models give equal bytes."""
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def compare(model: DetectorModel, graph: bytes, *, batch_sizes: Sequence[int]) -> float:
    """Largest difference between a graph's logits and torch's, over batches of seeded noise.

    Not a number where one of the logits is not, or where their shapes differ.
    """
    session = open_session(graph)
    generator = np.random.default_rng(CHECK_SEED)
    differences = []
    for size in batch_sizes:
        images = generator.standard_normal(model.signature.input_shape(size), dtype=np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        logits = run(session, images)
        if expected.shape != logits.shape:
            return float("nan")
        differences.append(np.abs(expected - logits).max())
    return float(np.max(differences))  # which keeps what is not a number, unlike max()


def open_session(graph: bytes) -> Any:
    """A session of one thread on the CPU."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run(session: Any, images: Floats) -> Floats:
    """Logits (N, classes) of inputs."""
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0], np.float32)
