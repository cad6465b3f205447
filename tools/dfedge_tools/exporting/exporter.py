"""From a model, or from a float32 bundle, to a bundle for a target, checked at each step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard, Metric, Quantization
from dfedge.errors import FidelityError, UsageError
from dfedge.scoring import fake_logits
from dfedge_models import DetectorModel
from dfedge_tools.exporting.bundle import (
    UNCALIBRATED,
    DecisionNumbers,
    Description,
    Role,
    build_card,
    file_entries,
    model_input,
    sha256,
    write_bundle,
)
from dfedge_tools.exporting.graph import (
    ExportReport,
    Progress,
    export_graph,
    open_session,
    run,
    serialize,
)
from dfedge_tools.exporting.half import DESCRIPTION as HALF
from dfedge_tools.exporting.half import to_half
from dfedge_tools.exporting.metadata import write_metadata
from dfedge_tools.exporting.operators import OperatorCheck, check_operators
from dfedge_tools.exporting.ort_format import Usability, check_usability, to_ort_format
from dfedge_tools.exporting.preprocess import preprocess_graph
from dfedge_tools.exporting.targets import TARGETS, Target
from dfedge_tools.exporting.weights import store_weights
from dfedge_tools.faceset import FaceSet, noise_set
from dfedge_tools.fidelity import Agreement, Floats, agreement

ROUNDING = 1e-3
"""Largest difference of a logit between two forms in float32."""
NOISE_INPUTS = 32
NOISE_CLIPS = 2
BATCH = 8


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported.

    Attributes:
        graph: in float32, unless it is of a quantized bundle.
        card: of it, without files.
        preprocess: bytes of ``preprocess.onnx``.
        report: how the graph agrees with torch; None for a bundle's, which was checked before.
        sha256: of the bundle's file; None for a model's, which has no file yet.
    """

    graph: onnx.ModelProto
    card: DetectorCard
    preprocess: bytes
    report: ExportReport | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written, and what was found of it.

    Attributes:
        report: see :class:`Source`.
        agreement: of the file written with the graph it was made from; None where they are equal.
        operators: one check for each runtime of the target.
        usability: of a phone's accelerators, for ONNX Runtime's own format.
        problems: limits of the target that it does not keep, a sentence each.
    """

    card: DetectorCard
    nodes: int
    report: ExportReport | None
    agreement: Agreement | None
    operators: tuple[OperatorCheck, ...]
    usability: tuple[Usability, ...]
    problems: tuple[str, ...]

    @property
    def model_bytes(self) -> int:
        """Size of the graph's file."""
        return next(entry.size_bytes for entry in self.card.files if entry.role == "model")


def export_bundle(
    model: DetectorModel,
    folder: Path,
    *,
    architecture: str,
    description: Description,
    decision: DecisionNumbers = UNCALIBRATED,
    target: Target = TARGETS["cpu"],
    progress: Progress = lambda step: None,
) -> Exported:
    """Export a model and write its bundle.

    Args:
        folder: of the bundle; an older bundle of the same name in it is replaced.
        architecture: as the card is to call it.
        progress: is told of each step before it begins.

    Raises:
        FidelityError: the graph gives other numbers than torch.
        UsageError: there is something else at `folder`, or the model is too large for ONNX.
        BundleError: the description does not make a valid card.
    """
    source = from_model(
        model,
        architecture=architecture,
        description=description,
        decision=decision,
        target=target,
        progress=progress,
    )
    return write_for_target(source, folder, target, progress=progress)


def from_model(
    model: DetectorModel,
    *,
    architecture: str,
    description: Description,
    decision: DecisionNumbers,
    target: Target,
    progress: Progress = lambda step: None,
) -> Source:
    """The graph of a model, compared with torch; see :func:`export_bundle`."""
    graph, report = export_graph(
        model, opset=target.opset, simplified=target.simplify, progress=progress
    )
    preprocess = preprocess_graph(model_input(model.signature), description.crop)
    card = build_card(
        description,
        decision,
        architecture=architecture,
        signature=model.signature,
        opset=target.opset,
        files={},
        deployment=TARGETS["cpu"].deployment,
    )
    write_metadata(graph, card)
    return Source(graph, card, preprocess, report, None)


def from_bundle(
    bundle: Bundle,
    card: DetectorCard,
    *,
    name: str,
    target: Target,
    metrics: tuple[Metric, ...] = (),
) -> Source:
    """The graph of a bundle, which keeps its opset and what onnxsim did to it.

    Args:
        card: of `bundle`.
        name: of the new bundle.
        metrics: of the new bundle, if they were measured; else the bundle's own stay where the
            target shortens nothing.

    Raises:
        UsageError: the target needs float32 weights and the bundle has not.
    """
    model = bundle.entry("model")
    if model.name.endswith(".ort"):
        raise UsageError(f"{bundle.path}: is of ONNX Runtime's format; give the bundle it was from")
    shortens = target.weights != "keep" or target.precision == "float16"
    if shortens and card.quantization is not None:
        raise UsageError(
            f"{bundle.path}: is itself a quantized bundle; give the float32 one, or leave its "
            "weights and arithmetic by --set weights=keep --set precision=float32"
        )
    if not metrics and not shortens:
        metrics = card.metrics
    card = msgspec.structs.replace(card, name=name, files=(), metrics=metrics)
    graph = onnx.load_from_string(bundle.read("model"))
    return Source(graph, card, bundle.read("preprocess"), None, bundle.sha256)


def write_for_target(
    source: Source, folder: Path, target: Target, *, progress: Progress = lambda step: None
) -> Exported:
    """Bring a graph into a target's form, compare it with what it was, and write the bundle.

    Raises:
        FidelityError: the form gives other numbers; nothing is written.
        UsageError: there is something else at `folder`.
    """
    card = msgspec.structs.replace(source.card, deployment=target.deployment)
    graph, recipe = source.graph, None
    if target.weights != "keep":
        progress("storing weights short")
        graph, recipe = store_weights(graph, target.weights)
    if target.precision == "float16":
        progress("converting to float16")
        graph = to_half(graph)
        recipe = f"{recipe}; {HALF}" if recipe else HALF
    write_metadata(graph, card)
    content = serialize(graph)
    usability: tuple[Usability, ...] = ()
    if target.format == "ort":
        progress("converting to ORT format")
        usability = check_usability(content)
        content = to_ort_format(content)

    found = None
    if recipe is not None or target.format == "ort":
        progress("comparing with the source")
        reference = serialize(source.graph)
        found = _compare(reference, content, card)
        _check(found, target, exact=recipe is None)
        if recipe is not None:  # the source is then as it would be written for the target cpu
            card = msgspec.structs.replace(
                card,
                quantization=Quantization(
                    recipe=recipe,
                    reference_sha256=source.sha256 or sha256(reference),
                    fidelity=found.for_card(),
                ),
            )
    progress("writing")
    files: dict[Role, bytes] = {"model": content, "preprocess": source.preprocess}
    card = msgspec.structs.replace(card, files=file_entries(files))
    write_bundle(folder, card, files)
    operators = tuple(check_operators(graph, runtime) for runtime in target.runtimes)
    return Exported(
        card=card,
        nodes=len(graph.graph.node),
        report=source.report,
        agreement=found,
        operators=operators,
        usability=usability,
        problems=tuple(_problems(target, len(content), operators)),
    )


def _compare(reference: bytes, content: bytes, card: DetectorCard) -> Agreement:
    """Both graphs on seeded noise, judged by the card."""
    inputs = noise_set(card, count=NOISE_INPUTS if card.input.frames == 1 else NOISE_CLIPS)
    before, after = (_log_odds(graph, inputs, card) for graph in (reference, content))
    return agreement(before, after, inputs, card)


def _log_odds(graph: bytes, faces: FaceSet, card: DetectorCard) -> Floats:
    session = open_session(graph)
    batch = BATCH if card.input.frames == 1 else 1
    parts = [
        fake_logits(run(session, faces.inputs[start : start + batch]), card.output)
        for start in range(0, len(faces.inputs), batch)
    ]
    return np.concatenate(parts).astype(np.float64)


def _check(found: Agreement, target: Target, *, exact: bool) -> None:
    limit = ROUNDING if exact else target.max_probability_change
    value = found.max_logit_error if exact else found.max_probability_change
    if not value <= limit:  # also when it is not a number
        what = "a logit" if exact else "a probability"
        raise FidelityError(
            f"the form for {target.target} changes {what} by {value:.3g}, over {limit:g}; it was "
            "not written. Keep more digits by --set weights=keep or --set precision=float32, or "
            "allow more by --set max_probability_change=..."
        )


def _problems(target: Target, size: int, operators: tuple[OperatorCheck, ...]) -> list[str]:
    problems = [
        f"{check.name} lacks {', '.join(entry.operator for entry in check.missing)}, so the model "
        "does not run there"
        for check in operators
        if not check.runs
    ]
    limit = target.max_megabytes
    if limit is not None and size > limit * 1e6:
        problems.append(f"the graph has {size / 1e6:.1f} MB, over the limit of {limit:g} MB")
    return problems


def trtexec_command(card: DetectorCard) -> str:
    """The command that builds a TensorRT engine of a bundle with a batch profile."""
    assert card.deployment is not None
    assert card.deployment.batch is not None
    batch, size = card.deployment.batch, card.input
    picture = f"3x{size.height}x{size.width}"
    if size.frames > 1:
        picture = f"{size.frames}x{picture}"
    shapes = " ".join(
        f"--{kind}Shapes={size.name}:{count}x{picture}"
        for kind, count in (
            ("min", batch.smallest),
            ("opt", batch.usual),
            ("max", batch.largest),
        )
    )
    model = next(entry.name for entry in card.files if entry.role == "model")
    return f"trtexec --onnx={model} --stronglyTyped {shapes} --saveEngine=model.plan"
