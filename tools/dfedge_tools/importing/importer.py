"""From one published file to a bundle in its place, every step checked before the next."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

import dfedge_models
from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard, Provenance
from dfedge.bundles.store import cache_folder, install
from dfedge.errors import UsageError
from dfedge_tools.exporting.bundle import (
    DecisionNumbers,
    Description,
    Role,
    build_card,
    file_entries,
    model_input,
    write_bundle,
)
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.exporting.exporter import from_model
from dfedge_tools.exporting.graph import Progress, serialize
from dfedge_tools.exporting.preprocess import preprocess_graph
from dfedge_tools.exporting.targets import TARGETS
from dfedge_tools.importing import pins
from dfedge_tools.importing.catalogue import PUBLISHED_RULE, UNCALIBRATED_LIMIT, Published
from dfedge_tools.importing.download import file_sha256
from dfedge_tools.importing.published_onnx import read_graph

PUBLISHED_AGGREGATION: Final = "mean_probability"
"""How all these publishers make one score of the frames of a clip."""
MEASURED_AGGREGATION: Final = "mean_logit"
"""What ``dfedge calibrate`` measures thresholds on."""


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
    """What goes into the bundle: its card without files, and their contents."""

    card: DetectorCard
    files: dict[Role, bytes]
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
        progress: is told of each step before it begins.

    Raises:
        UsageError: the file is not there, not the first one, or not this model's.
        FidelityError: the exported graph gives other numbers than torch.
        BundleError: the bundle does not fit in its place.
    """
    if not path.is_file():
        raise UsageError(f"{path}: is no file; correct --checkpoint")
    progress("hashing the file")
    digest = file_sha256(path)
    if not accept_changed:
        pins.check(entry.name, digest, file=path)
    description = _describe(entry, decision, version, digest, source_url or entry.url)
    make = _from_onnx if entry.file_format == "onnx" else _from_torch
    model = make(entry, path, description, decision, progress)
    aggregation = PUBLISHED_AGGREGATION if decision == PUBLISHED_RULE else MEASURED_AGGREGATION
    decided = replace(model.card.decision, frame_aggregation=aggregation)
    card = replace(model.card, decision=decided, files=file_entries(model.files))
    progress("writing")
    bundle = _place(card, model.files, out)
    pins.record(entry.name, digest, size_bytes=path.stat().st_size, source=source_url or path.name)
    return Imported(bundle, out is None, digest, model.check)


def _describe(
    entry: Published, decision: DecisionNumbers, version: str | None, digest: str, url: str | None
) -> Description:
    limits = entry.limits
    if decision == PUBLISHED_RULE:
        limits = (UNCALIBRATED_LIMIT, *limits)
    return Description(
        name=entry.name,
        version=version or entry.version,
        summary=entry.summary,
        licence=entry.licence,
        provenance=Provenance(
            training_data=entry.training_data,
            command=f"dfedge models import {entry.name} --checkpoint FILE",
            source_url=url,
            source_sha256=digest,
        ),
        limits=limits,
        metrics=entry.metrics,
        crop=entry.crop,
        quality=entry.quality,
        min_usable_frames=entry.min_usable_frames,
    )


def _from_torch(
    entry: Published,
    path: Path,
    description: Description,
    decision: DecisionNumbers,
    progress: Progress,
) -> _Model:
    progress("loading the weights")
    model = dfedge_models.create(entry.architecture)
    load_checkpoint(model, path)
    source = from_model(
        model,
        architecture=entry.architecture,
        description=description,
        decision=decision,
        target=TARGETS["cpu"],
        progress=progress,
    )
    assert source.report is not None
    batches = ", ".join(map(str, source.report.batch_sizes))
    check = (
        f"largest difference from torch {source.report.max_difference:.2g} in a logit "
        f"(batches of {batches})"
    )
    files: dict[Role, bytes] = {
        "model": serialize(source.graph),
        "preprocess": source.preprocess,
    }
    return _Model(source.card, files, check)


def _from_onnx(
    entry: Published,
    path: Path,
    description: Description,
    decision: DecisionNumbers,
    progress: Progress,
) -> _Model:
    progress("checking the graph")
    signature = dfedge_models.create(entry.architecture).signature
    graph = read_graph(path, signature)
    card = build_card(
        description,
        decision,
        architecture=entry.architecture,
        signature=signature,
        opset=graph.opset,
        files={},
    )
    card = replace(card, output=replace(card.output, name=graph.output))
    files: dict[Role, bytes] = {
        "model": graph.content,
        "preprocess": preprocess_graph(model_input(signature), description.crop),
    }
    check = f"taken over as it is (opset {graph.opset}), runs on batches of 1 and 2"
    return _Model(card, files, check)


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
