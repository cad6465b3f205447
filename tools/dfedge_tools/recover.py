"""Torch weights back from an exported bundle, for what ONNX cannot do: gradients, more training.

    python -m dfedge_tools.recover dfedge-b0 --out b0.pt

An export transposes weights, gathers tables and folds batch norms and layer scales into
convolutions. To undo that for any architecture, the same architecture is exported again with a mark
in place of each weight, a float32 that occurs nowhere else; where a mark is found in the new graph,
the weight lies in the bundle's. A folded batch norm comes back as one that only adds the folded
bias, a folded layer scale as ones: the function is the same, its factors are not. The result is
compared with the bundle's graph before it is given out.

Weights stored short (int8 or float16, computed in float32) come back as the bundle computes them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import nn

import dfedge_models
from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.errors import DfedgeError, FidelityError, UsageError
from dfedge_models import DetectorModel
from dfedge_tools.exporting.graph import TOLERANCE, compare, simplify, trace

FIRST_MARK = 0x4480_0000
"""Bits of 1024; the marks are the floats from there on, all different, finite, and larger than the
constants of any architecture."""
LAYER_SCALE = "gamma"
"""In the last part of the names of factors that an export may fold into the layer before them."""

Bits = npt.NDArray[np.uint32]
Constants = dict[str, npt.NDArray[Any]]


def recover_model(bundle: Bundle, card: DetectorCard) -> DetectorModel:
    """The torch model of a bundle, in eval mode, float32 on the CPU.

    What takes no part in the result (such as weights an export drops) is zero.

    Raises:
        UsageError: the architecture is unknown, or the graph is not what this version of the
            exporter writes for it.
        FidelityError: the recovered model gives other numbers than the bundle.
    """
    model = fresh_model(card)
    content = bundle.read("model")
    given = _parse(bundle, content)
    marked = _marked_graph(model, card)
    constants = _twins(marked, given.graph)
    if constants is None:  # weights stored short, or a graph that was not simplified
        constants = _twins(marked, simplify(given).graph)
    if constants is None:
        raise UsageError(f"{bundle.path}: {_refusal(card)}")
    _fill(model, marked, constants, bundle)
    difference = compare(model, content, batch_sizes=(1, 2))
    if not difference <= TOLERANCE:  # also when it is not a number
        raise FidelityError(
            f"{bundle.path}: the recovered {card.architecture} differs from the bundle by "
            f"{difference:.2g} in a logit, over {TOLERANCE:g}; give the checkpoint it was made of"
        )
    return model


def fresh_model(card: DetectorCard) -> DetectorModel:
    """The architecture a card names at its input size, with fresh weights, in eval mode.

    Raises:
        UsageError: there is no such architecture, or it does not take what the card says.
    """
    try:
        model = dfedge_models.create(card.architecture)
        if model.signature.img_size != card.input.width:
            model = dfedge_models.create(card.architecture, img_size=card.input.width)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{card.name}: its architecture cannot be built: {error}") from error
    signature = model.signature
    own = (signature.frames, len(signature.classes))
    if own != (card.input.frames, len(card.output.classes)):
        raise UsageError(
            f"{card.name}: {card.architecture} has {own[0]} frames and {own[1]} logits, the card "
            f"{card.input.frames} and {len(card.output.classes)}; give a bundle of this project"
        )
    return model.eval()


def save_weights(model: DetectorModel, path: Path) -> None:
    """Write a state dict that ``dfedge export --checkpoint`` reads, whole or not at all.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}; choose another place") from error
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(model.state_dict(), file)
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}; choose another place") from error
    finally:
        Path(name).unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Recover one bundle; 0 done, 2 with a message when it cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.recover",
        description="Write the torch weights of an exported bundle.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="name, folder or .zip")
    parser.add_argument("--out", required=True, type=Path, help="file of weights to write")
    options = parser.parse_args(arguments)
    try:
        bundle, card = resolve_detector(options.bundle)
        save_weights(recover_model(bundle, card), options.out)
    except DfedgeError as error:
        print(f"recover: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {card.architecture} of {card.name} {card.version}")
    return 0


def _parse(bundle: Bundle, content: bytes) -> onnx.ModelProto:
    if bundle.entry("model").name.endswith(".ort"):
        raise UsageError(
            f"{bundle.file_path('model')}: is in ORT format, whose graph is already rewritten for "
            "one runtime; give the ONNX bundle it was made of"
        )
    return onnx.load_from_string(content)


def _refusal(card: DetectorCard) -> str:
    way_out = "export its checkpoint again, or give the checkpoint itself"
    if card.quantization is not None:
        reference = card.quantization.reference_sha256
        way_out = f"give the float32 bundle it was made of (model.onnx {reference[:12]}...)"
    return (
        f"its graph is not the one this exporter writes for {card.architecture}, so the weights "
        f"cannot be told from each other; {way_out}"
    )


def _marked_graph(model: DetectorModel, card: DetectorCard) -> onnx.GraphProto:
    """The graph of the architecture, a mark in place of each weight that can be told.

    A factor that was folded leaves no mark and spoils those it was multiplied with; with ones in
    its place the others are seen.
    """
    _mark(model, neutral=())
    graph = simplify(trace(model, opset=card.opset)).graph
    seen, _ = _sorted_marks(graph, _constants(graph))
    folded = [
        name
        for name, parameter in model.named_parameters()
        if LAYER_SCALE in name.rpartition(".")[2] and not _places(parameter, seen)[1].any()
    ]
    if folded:
        _mark(model, neutral=folded)
        graph = simplify(trace(model, opset=card.opset)).graph
    return graph


def _mark(model: DetectorModel, *, neutral: Collection[str]) -> None:
    """Give each weight values of its own; batch norms add their bias and do nothing else."""
    bits = FIRST_MARK
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in neutral:
                parameter.fill_(1.0)
                continue
            marks = np.arange(bits, bits + parameter.numel(), dtype=np.uint32).view(np.float32)
            parameter.copy_(torch.from_numpy(marks).view(parameter.shape))
            bits += parameter.numel()
        for norm in _batch_norms(model):
            _make_neutral(norm)


def _batch_norms(model: nn.Module) -> Iterator[Any]:
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            yield module


def _make_neutral(norm: Any) -> None:
    """Weight 1, mean 0, and the variance for which ``sqrt(var + eps)`` is 1 in float32."""
    variance = np.float32(1) - np.float32(norm.eps)
    if variance + np.float32(norm.eps) < 1:
        variance = np.nextafter(variance, np.float32(2))
    norm.running_mean.zero_()
    norm.running_var.fill_(float(variance))
    if norm.affine:
        norm.weight.fill_(1.0)


def _twins(marked: onnx.GraphProto, given: onnx.GraphProto) -> Constants | None:
    """The given graph's constant in the place of each constant of the marked one.

    None where the graphs do not have the same nodes in the same order with constants of the same
    shapes and types.
    """
    ours = {entry.name: entry for entry in marked.initializer}
    theirs = {entry.name: entry for entry in given.initializer}
    if [node.op_type for node in marked.node] != [node.op_type for node in given.node]:
        return None
    places: dict[str, str] = {}
    for node, twin in zip(marked.node, given.node, strict=True):
        if len(node.input) != len(twin.input):
            return None
        for name, other in zip(node.input, twin.input, strict=True):
            if (name in ours) != (other in theirs):
                return None
            if name in ours and places.setdefault(name, other) != other:
                return None
    same = all(
        (ours[name].data_type, list(ours[name].dims))
        == (theirs[other].data_type, list(theirs[other].dims))
        for name, other in places.items()
    )
    if not same:
        return None
    return {name: numpy_helper.to_array(theirs[other]) for name, other in places.items()}


def _fill(
    model: DetectorModel, marked: onnx.GraphProto, constants: Constants, bundle: Bundle
) -> None:
    """Put in place of each mark the number the bundle has where the mark came out."""
    marks, values = _sorted_marks(marked, constants)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (parameter == 1).all():  # no mark: a factor that was folded
                continue
            places, here = _places(parameter, marks)
            if not here.any():
                parameter.zero_()
            elif here.all():
                parameter.copy_(torch.from_numpy(values[places]).view(parameter.shape))
            else:
                raise UsageError(
                    f"{bundle.path}: only part of {name} is in its graph; give the checkpoint it "
                    "was made of"
                )


def _places(
    parameter: torch.Tensor, marks: Bits
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each value of a parameter stands among ascending marks, and whether it does at all."""
    wanted = parameter.detach().numpy().reshape(-1).view(np.uint32)
    places = np.searchsorted(marks, wanted).clip(max=len(marks) - 1)
    return places, marks[places] == wanted


def _sorted_marks(
    marked: onnx.GraphProto, constants: Constants
) -> tuple[Bits, npt.NDArray[np.float32]]:
    """Bits of all float constants of the marked graph, ascending, and the others beside them."""
    bits, values = [], []
    for name, marks in _constants(marked).items():
        if name in constants and marks.dtype == np.float32:
            bits.append(marks.reshape(-1).view(np.uint32))
            values.append(constants[name].reshape(-1))
    joined = np.concatenate(bits)
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate(values)[order]


def _constants(graph: onnx.GraphProto) -> Constants:
    return {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}


if __name__ == "__main__":
    sys.exit(main())
