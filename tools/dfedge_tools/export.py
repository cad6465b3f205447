"""Turn trained weights into a bundle: model.onnx, preprocess.onnx and the card.

    python -m dfedge_tools.export --arch ms_eff_gcvit_b0 --checkpoint runs/b0/b0.pt \
        --description b0.json --decision runs/b0/decision.json --out edge_models/bundles/dfedge-b0

The graph is compared with torch on batches of several sizes; a bundle whose logits differ by more
than 1e-4 is not written. Equal weights give equal bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import dfedge_models
from dfedge.bundles.card import DetectorCard, Metric, Provenance, Quality
from dfedge.errors import DfedgeError, UsageError
from dfedge_models import DetectorModel
from dfedge_tools.exporting.bundle import (
    MODEL_NAME,
    UNCALIBRATED,
    DecisionNumbers,
    Description,
    Role,
    build_card,
    model_input,
    read_json,
    sha256,
    write_bundle,
)
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.exporting.graph import OPSET, ExportReport, export_onnx
from dfedge_tools.exporting.preprocess import preprocess_graph

__all__ = ["Exported", "export_bundle", "export_onnx", "main"]

OPSETS = range(18, 24)
"""Those that torch's exporter writes and the oldest runtime allowed reads."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written, and how well its graph agrees with torch."""

    card: DetectorCard
    report: ExportReport


def export_bundle(
    model: DetectorModel,
    folder: Path,
    *,
    architecture: str,
    description: Description,
    decision: DecisionNumbers = UNCALIBRATED,
    opset: int = OPSET,
) -> Exported:
    """Export a model and write its bundle.

    Args:
        folder: of the bundle; an older bundle of the same name in it is replaced.
        architecture: as the card is to call it.

    Raises:
        FidelityError: the graph gives other numbers than torch.
        UsageError: there is something else at `folder`.
        BundleError: the description does not make a valid card.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / MODEL_NAME
        report = export_onnx(model, path, opset=opset)
        graph = path.read_bytes()
    preprocess = preprocess_graph(model_input(model.signature), description.crop)
    files: dict[Role, bytes] = {"model": graph, "preprocess": preprocess}
    card = build_card(
        description,
        decision,
        architecture=architecture,
        signature=model.signature,
        opset=opset,
        files=files,
    )
    write_bundle(folder, card, files)
    return Exported(card, report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one checkpoint; 0 done, 1 with a message when it cannot be."""
    options = _parser().parse_args(arguments)
    try:
        exported = _run(options)
    except DfedgeError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    model = next(entry for entry in exported.card.files if entry.role == "model")
    print(f"{options.out}: {exported.card.name} {exported.card.version}")
    print(f"{MODEL_NAME}: {exported.report.nodes} nodes, {model.size_bytes / 1e6:.1f} MB")
    batches = ", ".join(map(str, exported.report.batch_sizes))
    print(f"largest difference from torch {exported.report.max_difference:.2g} (batch {batches})")
    return 0


def _run(options: argparse.Namespace) -> Exported:
    try:
        size = {} if options.img_size is None else {"img_size": options.img_size}
        model = dfedge_models.create(options.arch, **size)
    except ValueError as error:
        raise UsageError(f"--img-size: {error}") from error
    load_checkpoint(model, options.checkpoint)
    if options.description is None:
        description = _plain_description(options.arch, options.checkpoint)
    else:
        description = read_json(options.description, Description, option="--description")
    if options.metrics is not None:
        metrics = read_json(options.metrics, tuple[Metric, ...], option="--metrics")
        description = msgspec.structs.replace(description, metrics=metrics)
    decision = UNCALIBRATED
    if options.decision is not None:
        decision = read_json(options.decision, DecisionNumbers, option="--decision")
    return export_bundle(
        model,
        options.out,
        architecture=options.arch,
        description=description,
        decision=decision,
        opset=options.opset,
    )


def _plain_description(arch: str, checkpoint: Path) -> Description:
    """What can be said of weights that nobody described."""
    return Description(
        name=arch.replace("_", "-"),
        version="0.0.0",
        summary=f"{arch} with weights that nobody has described.",
        licence="LicenseRef-unknown",
        provenance=Provenance(
            training_data="unknown",
            command=f"python -m dfedge_tools.export --arch {arch} --checkpoint {checkpoint.name}",
            source_sha256=sha256(checkpoint.read_bytes()),
        ),
        limits=("Nothing is known of what it was trained on, or how well it does.",),
        quality=Quality(
            min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
        ),
        min_usable_frames=1,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.export",
        description="Turn trained weights into a bundle.",
    )
    add = parser.add_argument
    add("--arch", required=True, choices=dfedge_models.names(), help="architecture of the weights")
    add("--checkpoint", required=True, type=Path, help="file of weights (a torch state dict)")
    add("--out", required=True, type=Path, help="folder of the bundle; its older self is replaced")
    add(
        "--description",
        type=Path,
        help="JSON with name, version, summary, licence, provenance, limits, quality and "
        "min_usable_frames, and, if wanted, metrics and crop; without it the card says that "
        "nothing is known",
    )
    add(
        "--decision",
        type=Path,
        help="decision.json of dfedge_tools.calibrate; without it the model always says UNCERTAIN",
    )
    add("--metrics", type=Path, help="figures of dfedge_tools.evaluate --metrics, for the card")
    add("--img-size", type=int, help="side of the input in pixels, if not the architecture's own")
    add(
        "--opset", type=int, choices=OPSETS, default=OPSET, help="ONNX opset (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
