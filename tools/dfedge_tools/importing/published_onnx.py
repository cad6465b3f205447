"""Check that a published ONNX graph is the detector it is said to be, without changing a byte."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfedge.bundles.onnx_header import read_onnx_header
from dfedge.errors import UsageError
from dfedge_models import ModelSignature
from dfedge_tools.exporting.checkpoint import first_line
from dfedge_tools.exporting.graph import CHECK_SEED, INPUT_NAME, open_session, run

ROW_TOLERANCE = 1e-3
"""Largest difference of a logit between a picture alone and the same picture in a batch."""


@dataclass(frozen=True, slots=True)
class PublishedGraph:
    """A graph that passed.

    Attributes:
        content: the file's bytes.
        opset: of the standard operators.
        output: name of its logits.
    """

    content: bytes
    opset: int
    output: str


def read_graph(path: Path, signature: ModelSignature) -> PublishedGraph:
    """Read a graph and run it on seeded noise, alone and in a batch.

    Raises:
        UsageError: it is no ONNX graph that runs, or not of this signature; the message says why.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror}); correct --checkpoint"
        raise UsageError(problem) from error
    opset = _opset(path, content)
    try:
        session = open_session(content)
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise UsageError(f"{path}: ONNX Runtime cannot open it: {first_line(error)}") from error
    output = _check_slots(path, session, signature)
    _check_numbers(path, session, signature)
    return PublishedGraph(content, opset, output)


def _opset(path: Path, content: bytes) -> int:
    try:
        header = read_onnx_header(content)
    except ValueError as error:
        raise UsageError(f"{path}: is no ONNX file: {error}") from error
    if header.external_data:
        raise UsageError(f"{path}: keeps weights in a file beside it; one file is needed")
    if header.opset is None:
        raise UsageError(f"{path}: declares no ONNX opset")
    return header.opset


def _check_slots(path: Path, session: Any, signature: ModelSignature) -> str:
    """One input of free batch and one output with a logit a class; the output's name."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = signature.input_shape(1)[1:]
    classes = len(signature.classes)
    found = f"it has {_slots(inputs)} -> {_slots(outputs)}"
    if [slot.name for slot in inputs] != [INPUT_NAME] or len(outputs) != 1:
        raise UsageError(f"{path}: must have one input {INPUT_NAME!r} and one output; {found}")
    if tuple(inputs[0].shape[1:]) != shape or inputs[0].type != "tensor(float)":
        raise UsageError(f"{path}: its input must be float (batch, {_sizes(shape)}); {found}")
    if isinstance(inputs[0].shape[0], int):
        raise UsageError(f"{path}: its batch must be free, not {inputs[0].shape[0]}; {found}")
    sizes = outputs[0].shape
    if len(sizes) != 2 or (isinstance(sizes[1], int) and sizes[1] != classes):
        raise UsageError(f"{path}: its output must be (batch, {classes}); {found}")
    name: str = outputs[0].name
    return name


def _check_numbers(path: Path, session: Any, signature: ModelSignature) -> None:
    generator = np.random.default_rng(CHECK_SEED)
    pictures = generator.standard_normal(signature.input_shape(2), dtype=np.float32)
    try:
        together = run(session, pictures)
        alone = np.concatenate([run(session, pictures[i : i + 1]) for i in range(2)])
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise UsageError(f"{path}: cannot be run: {first_line(error)}") from error
    if together.shape != (2, len(signature.classes)) or not np.isfinite(together).all():
        raise UsageError(
            f"{path}: gives {together.tolist()} for two pictures of noise, not "
            f"{len(signature.classes)} finite logits each"
        )
    difference = float(np.abs(together - alone).max())
    if not difference <= ROW_TOLERANCE:
        raise UsageError(
            f"{path}: a picture's logits change by {difference:.2g} with the others in its batch"
        )


def _slots(slots: Any) -> str:
    return ", ".join(f"{slot.name} {slot.type} ({_sizes(slot.shape)})" for slot in slots) or "none"


def _sizes(shape: Any) -> str:
    return ", ".join(str(size) for size in shape)
