"""From one published file to a bundle in its place, every step checked before the next."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

import dfedge_models
from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard, Provenance
from dfedge.bundles.store import cache_folder, install
from dfedge.errors import UsageError
from dfedge_models import ModelSignature
from dfedge_tools.exporting.bundle import (
    MODEL_NAME,
    DecisionNumbers,
    Description,
    Role,
    build_card,
    model_input,
    write_bundle,
)
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.exporting.graph import OPSET, export_onnx
from dfedge_tools.exporting.preprocess import preprocess_graph
from dfedge_tools.importing import pins
from dfedge_tools.importing.catalogue import PUBLISHED_RULE, UNCALIBRATED_LIMIT, Published
from dfedge_tools.importing.download import file_sha256
from dfedge_tools.importing.published_onnx import read_graph

Progress = Callable[[str], None]
STEPS = ("hashing the file", "loading and exporting", "writing the bundle")
"""What `progress` is told, in this order."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A bundle made of a published file.

    Attributes:
        bundle: where it is now.
        installed: in the user's cache, so that its name is enough.
        source_sha256: of the file, hexadecimal.
        check: what was compared, in words.
    """

    bundle: Bundle
    installed: bool
    source_sha256: str
    check: str


@dataclass(frozen=True, slots=True)
class _Model:
    """What goes into the bundle.

    Attributes:
        output: name of the logits; None for the exporter's own.
    """

    graph: bytes
    signature: ModelSignature
    opset: int
    output: str | None
    check: str


def import_file(
    entry: Published,
    path: Path,
    *,
    out: Path | None = None,
    decision: DecisionNumbers = PUBLISHED_RULE,
    version: str | None = None,
    source_url: str | None = None,
    accept_changed: bool = False,
    progress: Progress = lambda step: None,
) -> Imported:
    """Turn a published file into a bundle.

    Args:
        out: folder of the bundle; None installs it in the user's cache.
        decision: thresholds and calibration for the card.
        version: of the bundle, if not the catalogue's.
        source_url: where the file came from, if not from the catalogue's address.
        accept_changed: take another file than the one that was first used under this name.

    Raises:
        UsageError: the file is not there, not the first one, or not this model's.
        FidelityError: the exported graph gives other numbers than torch.
        BundleError: the bundle does not fit in its place.
    """
    if not path.is_file():
        raise UsageError(f"{path}: is no file; correct --checkpoint")
    progress(STEPS[0])
    digest = file_sha256(path)
    if not accept_changed:
        pins.check(entry.name, digest, file=path)
    progress(STEPS[1])
    model = _from_onnx(entry, path) if entry.file_format == "onnx" else _from_torch(entry, path)
    url = source_url or entry.url
    progress(STEPS[2])
    card, files = _bundle(entry, model, decision, version, _Source(digest, url))
    bundle = _place(card, files, out)
    pins.record(entry.name, digest, size_bytes=path.stat().st_size, source=source_url or path.name)
    return Imported(bundle, out is None, digest, model.check)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the weights came from."""

    sha256: str
    url: str | None


def _from_torch(entry: Published, path: Path) -> _Model:
    try:
        model = dfedge_models.create(entry.architecture)
    except ValueError as error:
        raise UsageError(f"{entry.name}: {error}") from error
    load_checkpoint(model, path)
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / MODEL_NAME
        report = export_onnx(model, graph)
        batches = ", ".join(map(str, report.batch_sizes))
        check = (
            f"largest difference from torch {report.max_difference:.2g} in a logit "
            f"(batches of {batches})"
        )
        return _Model(graph.read_bytes(), model.signature, OPSET, None, check)


def _from_onnx(entry: Published, path: Path) -> _Model:
    signature = dfedge_models.create(entry.architecture).signature
    graph = read_graph(path, signature)
    check = f"taken over as it is (opset {graph.opset}), runs on batches of 1 and 2"
    return _Model(graph.content, signature, graph.opset, graph.output, check)


def _bundle(
    entry: Published,
    model: _Model,
    decision: DecisionNumbers,
    version: str | None,
    source: _Source,
) -> tuple[DetectorCard, dict[Role, bytes]]:
    limits = entry.limits
    if decision == PUBLISHED_RULE:
        limits = (UNCALIBRATED_LIMIT, *limits)
    description = Description(
        name=entry.name,
        version=version or entry.version,
        summary=entry.summary,
        licence=entry.licence,
        provenance=Provenance(
            training_data=entry.training_data,
            command=f"dfedge models import {entry.name} --checkpoint {entry.file_name}",
            source_url=source.url,
            source_sha256=source.sha256,
        ),
        limits=limits,
        metrics=entry.metrics,
        crop=entry.crop,
        quality=entry.quality,
        min_usable_frames=entry.min_usable_frames,
    )
    preprocess = preprocess_graph(model_input(model.signature), entry.crop)
    files: dict[Role, bytes] = {"model": model.graph, "preprocess": preprocess}
    card = build_card(
        description,
        decision,
        architecture=entry.architecture,
        signature=model.signature,
        opset=model.opset,
        files=files,
    )
    replace = msgspec.structs.replace
    card = replace(card, decision=replace(card.decision, frame_aggregation=entry.aggregation))
    if model.output is not None:
        card = replace(card, output=replace(card.output, name=model.output))
    return card, files


def _place(card: DetectorCard, files: dict[Role, bytes], out: Path | None) -> Bundle:
    try:
        return _write(card, files, out)
    except OSError as error:
        place = out if out is not None else cache_folder()
        raise UsageError(
            f"{place}: cannot be written ({error.strerror or error}); free the disk, give another "
            "folder with --out, or set DFEDGE_HOME"
        ) from error


def _write(card: DetectorCard, files: dict[Role, bytes], out: Path | None) -> Bundle:
    if out is not None:
        write_bundle(out, card, files)
        return load_bundle(out)
    home = cache_folder().parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=home) as scratch:
        folder = Path(scratch) / card.name
        write_bundle(folder, card, files)
        return install(folder)
