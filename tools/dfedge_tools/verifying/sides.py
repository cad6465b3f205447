"""The two forms of a model that are compared: a bundle, a checkpoint, or weights recovered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import torch

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.errors import UsageError
from dfedge.runtime import Device
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.recover import fresh_model, recover_model
from dfedge_tools.scorers import OnnxScorer, Scorer, TorchScorer

CHECKPOINT_SUFFIXES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".safetensors"})
RECOVERED = "torch:"
"""Before the name of a bundle whose weights are to be run by torch."""


@dataclass(frozen=True, slots=True)
class Side:
    """One form of the model, ready to score.

    Attributes:
        given: what the user named it by.
        name: of the model and its version, or of the file.
        sha256: of the graph or the checkpoint.
        size_bytes: of the same file.
        card: its own, or of the other side where it is a checkpoint.
        bundle: whose ``preprocess.onnx`` makes its inputs; it has that card.
    """

    given: str
    name: str
    runtime: Literal["onnxruntime", "torch"]
    sha256: str
    size_bytes: int
    card: DetectorCard
    bundle: Bundle
    scorer: Scorer


@contextmanager
def open_sides(
    reference: str, candidate: str, *, device: Device, threads: int | None
) -> Iterator[tuple[Side, Side]]:
    """Open both, the reference first; they are closed at the end.

    Args:
        reference, candidate: a bundle's name, folder or ``.zip``; ``torch:`` before it, for its
            weights in torch; or a file of weights, of the architecture on the other side's card.
        device: of bundles; torch runs on the CPU.
        threads: of either; None lets the runtime choose.

    Raises:
        UsageError: neither has a card, weights do not fit, or the two cannot be compared.
        BundleError: a bundle is not there or not sound.
        FidelityError: recovered weights give other numbers than their bundle.
    """
    if _is_checkpoint(reference) and _is_checkpoint(candidate):
        raise UsageError(
            f"{reference}, {candidate}: both are files of weights, which do not say what they are; "
            "give the bundle of one of them"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    bundle, card = _resolve(candidate if _is_checkpoint(reference) else reference)
    opened: list[Side] = []
    try:
        for given in (reference, candidate):
            if _is_checkpoint(given):
                opened.append(_open_checkpoint(given, bundle, card))
            else:
                opened.append(_open_bundle(given, device=device, threads=threads))
        first, second = opened
        _check_comparable(first, second)
        yield first, second
    finally:
        for side in opened:
            side.scorer.close()


def input_differences(reference: Side, candidate: Side) -> tuple[str, ...]:
    """In what the inputs of two sides differ, a phrase each."""
    found = []
    for part in ("input", "crop"):
        own, other = (
            msgspec.structs.asdict(getattr(side.card, part)) for side in (reference, candidate)
        )
        found += [
            f"{part} {field.replace('_', ' ')} is {_words(value)} against {_words(other[field])}"
            for field, value in own.items()
            if field not in ("name", "layout") and value != other[field]
        ]
    if not found and reference.bundle is not candidate.bundle:
        hashes = {side.bundle.entry("preprocess").sha256 for side in (reference, candidate)}
        if len(hashes) > 1:
            found.append("preprocess.onnx is another file, though the cards say the same")
    return tuple(found)


def decision_differences(reference: Side, candidate: Side) -> tuple[str, ...]:
    """In what the verdicts of two sides differ at equal logits, a phrase each."""
    own, other = (side.card.decision for side in (reference, candidate))
    pairs = {
        "temperature": (own.calibration.temperature, other.calibration.temperature),
        "bias": (own.calibration.bias, other.calibration.bias),
        "FAKE from": (own.fake.threshold, other.fake.threshold),
        "REAL up to": (own.real.threshold, other.real.threshold),
        "frame aggregation": (own.frame_aggregation, other.frame_aggregation),
    }
    return tuple(
        f"{what} {_words(value)} against {_words(theirs)}"
        for what, (value, theirs) in pairs.items()
        if value != theirs
    )


def _is_checkpoint(given: str) -> bool:
    return Path(given).suffix.lower() in CHECKPOINT_SUFFIXES


def _resolve(given: str) -> tuple[Bundle, DetectorCard]:
    if given.lower().endswith((".onnx", ".ort")):
        raise UsageError(
            f"{given}: a graph alone does not say how faces are cut or judged; give the folder or "
            ".zip of its bundle (dfedge models import makes one)"
        )
    return resolve_detector(given.removeprefix(RECOVERED))


def _open_bundle(given: str, *, device: Device, threads: int | None) -> Side:
    bundle, card = _resolve(given)
    scorer: Scorer
    if given.startswith(RECOVERED):
        scorer = TorchScorer(recover_model(bundle, card))
    else:
        scorer = OnnxScorer(bundle, card, device=device, threads=threads)
    model = bundle.entry("model")
    return Side(
        given=given,
        name=f"{card.name} {card.version}",
        runtime="torch" if given.startswith(RECOVERED) else "onnxruntime",
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        card=card,
        bundle=bundle,
        scorer=scorer,
    )


def _open_checkpoint(given: str, bundle: Bundle, card: DetectorCard) -> Side:
    path = Path(given)
    if not path.is_file():
        raise UsageError(f"{given}: there is no such file of weights; correct its name")
    model = fresh_model(card)
    load_checkpoint(model, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Side(
        given=given,
        name=f"{path.name} as {card.architecture}",
        runtime="torch",
        sha256=digest,
        size_bytes=path.stat().st_size,
        card=card,
        bundle=bundle,
        scorer=TorchScorer(model, name=path.name),
    )


def _check_comparable(reference: Side, candidate: Side) -> None:
    own, other = reference.card.input.frames, candidate.card.input.frames
    if own != other:
        raise UsageError(
            f"{candidate.given}: takes {_frames(other)}, and {reference.given} {_frames(own)}, so "
            "they have no inputs in common; compare two forms of one model"
        )


def _frames(count: int) -> str:
    return "single pictures" if count == 1 else f"clips of {count} frames"


def _words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return ", ".join(map(_words, value))
    return str(value)
