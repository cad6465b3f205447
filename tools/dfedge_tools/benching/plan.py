"""What is to be measured: models by name, the runtimes that are here, and the cells they make."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve
from dfedge.errors import UsageError
from dfedge_tools.benching.measure import Entry
from dfedge_tools.benching.messages import (
    TORCH_RUNTIMES,
    Measure,
    Peak,
    Prepare,
    Prepared,
    Runtime,
    Weights,
)

TORCH_PREFIX = "torch:"
PEAK_FAMILY = "peak"
PEAK_SIDE = 1536
"""7 GFLOP: long enough for threads to pay, short enough for a small board."""

_LIBRARY_BYTES: dict[Runtime, int] = {
    "torch": 900_000_000,
    "torch-compile": 1_300_000_000,
    "ort": 200_000_000,
    "openvino": 300_000_000,
}
"""Resident memory of a runtime with a small model, measured here and rounded up."""
_MODEL_COPIES = 3
"""Of its file that loading a model may hold at a time: the file, the graph, the packed weights."""
_PEAK_BYTES = 300_000_000


@dataclass(frozen=True, slots=True)
class Subject:
    """A model the user named.

    Attributes:
        label: in tables; unlike that of any other.
        bundle: None for an architecture.
        architecture: of the card, or as named.
        unit: what one input is: a crop, a clip, or a frame for a face detector.
    """

    label: str
    bundle: Bundle | None
    architecture: str
    unit: str

    @property
    def kind(self) -> str:
        """``bundle`` or ``architecture``."""
        return "architecture" if self.bundle is None else "bundle"

    @property
    def file_bytes(self) -> int | None:
        """Of the model file."""
        return None if self.bundle is None else self.bundle.entry("model").size_bytes

    def preparation(self, folder: Path, runtimes: Sequence[Runtime]) -> Prepare:
        """What a preparing child is to do for these runtimes."""
        return Prepare(
            bundle=None if self.bundle is None else str(self.bundle.path),
            architecture=self.architecture,
            folder=str(folder),
            torch=not TORCH_RUNTIMES.isdisjoint(runtimes),
            export=not TORCH_RUNTIMES.issuperset(runtimes),
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of the table to come."""

    subject: Subject
    runtime: Runtime
    threads: int
    batch: int
    weights: Weights
    entry: Entry


def read_models(names: Sequence[str]) -> list[Subject]:
    """The models of the command line.

    Raises:
        UsageError: a name is given twice, or ``torch:`` stands before no architecture.
        BundleError: there is no such bundle, or it is not sound.
    """
    subjects: list[Subject] = []
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name}: is named twice; name each model once")
        subject = _architecture(name) if name.startswith(TORCH_PREFIX) else _bundle(name)
        if any(other.label == subject.label for other in subjects):
            subject = Subject(name, subject.bundle, subject.architecture, subject.unit)
        subjects.append(subject)
    return subjects


def absence(runtime: Runtime, device: str) -> str | None:
    """Why a runtime cannot be measured here and how to get it; None where it can."""
    if runtime in TORCH_RUNTIMES and device not in ("cpu", "cuda"):
        return f"it runs on --device cpu or cuda, not on {device}"
    if runtime == "torch-compile" and _compiler() is None:
        return "it needs a C++ compiler: apt-get install g++, or set CXX"
    if runtime == "openvino" and device != "cpu":
        return f"it is measured on --device cpu, not on {device}"
    if runtime == "openvino" and importlib.util.find_spec("openvino") is None:
        return "openvino is not installed: pip install openvino"
    return None


def obstacle(subject: Subject, prepared: Prepared, runtime: Runtime) -> str | None:
    """Why a model cannot run in a runtime that is here; None where it can."""
    if runtime in TORCH_RUNTIMES:
        return prepared.no_torch
    if runtime == "openvino" and subject.bundle is not None:
        name = subject.bundle.entry("model").name
        if not name.endswith(".onnx"):
            return f"OpenVINO does not read {name}"
    return None


def make_cells(
    subject: Subject,
    prepared: Prepared,
    runtimes: Sequence[Runtime],
    *,
    device: str,
    threads: Sequence[int],
    batches: Sequence[int],
) -> Iterator[Cell]:
    """All rows of a model."""
    for runtime in runtimes:
        torch = runtime in TORCH_RUNTIMES
        weights: Weights = "random" if torch or subject.bundle is None else "bundle"
        for batch in batches:
            for count in threads:
                job = Measure(
                    runtime=runtime,
                    device=device,
                    threads=count,
                    shape=(batch, *prepared.input_shape),
                    bundle=None if torch else prepared.bundle,
                    architecture=subject.architecture if torch else None,
                    img_size=prepared.img_size if torch else None,
                )
                size = subject.file_bytes or 4 * (prepared.parameters or 0)
                entry = Entry(
                    name=f"{subject.label} {runtime} x{count} batch {batch}",
                    family=subject.label,
                    job=job,
                    needs_bytes=_LIBRARY_BYTES[runtime] + _MODEL_COPIES * size,
                )
                yield Cell(subject, runtime, count, batch, weights, entry)


def make_peaks(threads: Sequence[int]) -> list[Entry]:
    """The machine's own pace, by threads."""
    return [
        Entry(f"peak x{count}", PEAK_FAMILY, Peak(threads=count, side=PEAK_SIDE), _PEAK_BYTES)
        for count in threads
    ]


def _architecture(name: str) -> Subject:
    import dfedge_models  # brings torch, so only where it is asked for

    architecture = name.removeprefix(TORCH_PREFIX)
    if architecture not in dfedge_models.names():
        known = ", ".join(dfedge_models.names())
        raise UsageError(f"{name}: there is no such architecture; there are {known}")
    return Subject(name, None, architecture, "input")


def _bundle(name: str) -> Subject:
    bundle = resolve(name)
    card = bundle.card
    if not isinstance(card, DetectorCard):
        unit = "frame"
    else:
        unit = "crop" if card.input.frames == 1 else "clip"
    return Subject(card.name, bundle, card.architecture, unit)


def _compiler() -> str | None:
    candidates = (os.environ.get("CXX"), "g++", "clang++", "cl")
    return next((path for name in candidates if name and (path := shutil.which(name))), None)
