"""How unlike known faces a face is: Mahalanobis distance of its features, fitted and limited.

Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
Adversarial Attacks" (NeurIPS 2018): class-conditional means and one covariance of features of
several layers. Classes are label and source, since a studio portrait and a news clip are both usual
faces; the covariance is shrunk as Ledoit and Wolf (2004) do, since features may be as many as
faces. The limit is set on faces that were kept back, with the promise of
:mod:`dfedge_tools.deciding.conformal`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from sklearn.covariance import LedoitWolf

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard, NoveltyLimit
from dfedge.bundles.opset import import_onnxruntime
from dfedge.errors import FidelityError, UsageError
from dfedge.types import Tensor
from dfedge_tools.deciding.calibrate import percent
from dfedge_tools.deciding.conformal import (
    Floats,
    Share,
    measured_share,
    smallest_promise,
    upper_threshold,
)
from dfedge_tools.deciding.reference import FaceInputs, Reference
from dfedge_tools.deciding.surgery import (
    FEATURES,
    OUTPUT_NAME,
    Matrix,
    usual_tensors,
    with_features,
    with_novelty,
    without_novelty,
)
from dfedge_tools.exporting.graph import serialize

LEAST_OF_CLASS = 20
"""Faces; the mean of fewer says little, so they belong to no class of their own."""
MAX_DIMENSIONS = 64
"""Of the distance: more make the graph larger and found no more (docs/decision.md)."""
BATCH = 8


@dataclass(frozen=True, slots=True)
class NoveltyGroup:
    """Faces that were kept back, and how many of them are above the limit.

    Attributes:
        median: of the novelty of a video or still.
        flagged: each judged by a limit set without its person.
    """

    name: str
    median: float
    flagged: Share


@dataclass(frozen=True, slots=True)
class NoveltyFound:
    """A graph with the output, its limit, and how that does on faces kept back.

    Attributes:
        model: bytes of the graph.
        tensors: whose distance it is.
        dimensions: of the features they make, and those that are kept of them.
        classes: label and source -> faces it was fitted on.
        problems: promises that had to be widened, a sentence each.
    """

    model: bytes
    limit: NoveltyLimit
    tensors: tuple[str, ...]
    dimensions: tuple[int, int]
    classes: dict[str, int]
    groups: tuple[NoveltyGroup, ...]
    problems: tuple[str, ...]


def add_novelty(
    bundle: Bundle,
    card: DetectorCard,
    reference: Reference,
    *,
    share: float,
    layers: Sequence[str] = (),
) -> NoveltyFound:
    """Fit the distance on known faces, put it into the graph, and set its limit.

    Args:
        card: of `bundle`.
        share: largest share of new faces like those kept back that may lie above the limit.
        layers: tensors to take; none for the usual ones.

    Raises:
        UsageError: the graph or the faces do not allow it.
        FidelityError: the logits are not the same to the bit afterwards.
    """
    if bundle.entry("model").name.endswith(".ort"):
        raise UsageError(
            f"{bundle.path}: is of ONNX Runtime's format; give the .onnx bundle it was made from"
        )
    old = without_novelty(onnx.load_from_string(bundle.read("model")))
    maps = card.input.frames == 1
    tensors = tuple(layers) or usual_tensors(old, card.output.name, maps=maps)
    graph = with_features(old, tensors).SerializeToString()
    features = _run(graph, card, reference.known, FEATURES)
    names = [_class_name(face) for face in reference.known]
    whiten, centres, classes = fit_classes(features.astype(np.float64), names)
    model = serialize(with_novelty(old, tensors, whiten, centres))
    _check_logits(old.SerializeToString(), model, card, reference.kept_back[:BATCH])
    values = _run(model, card, reference.kept_back, OUTPUT_NAME)[:, 0].astype(np.float64)
    threshold, groups, problems = _limit(values, reference.kept_back, share)
    meaning = "; ".join(_promised(group, share) for group in groups)
    return NoveltyFound(
        model=model,
        limit=NoveltyLimit(
            output=OUTPUT_NAME,
            threshold=threshold,
            meaning=f"of faces like those kept back, above it lie {meaning}",
        ),
        tensors=tensors,
        dimensions=(features.shape[1], whiten.shape[1]),
        classes=classes,
        groups=groups,
        problems=problems,
    )


def fit_classes(features: Floats, names: Sequence[str]) -> tuple[Matrix, Matrix, dict[str, int]]:
    """What makes distances of features (N, D): a matrix (D, K) and the centres (C, K) after it.

    Every feature is scaled to a deviation of 1 first, so that shrinking favours none; K are the
    directions that vary most within classes, at most :data:`MAX_DIMENSIONS`.

    Raises:
        UsageError: no class has :data:`LEAST_OF_CLASS` faces, or the features do not vary.
    """
    counts = {name: n for name, n in sorted(Counter(names).items()) if n >= LEAST_OF_CLASS}
    if not counts:
        raise UsageError(
            f"--reference: no source has {LEAST_OF_CLASS} faces of one label to learn from; give "
            "more, or raise --count"
        )
    owners = np.array(names)
    spread = features.std(axis=0)
    if not (np.isfinite(features).all() and spread.max() > 0):
        raise UsageError("--reference: the features do not vary; choose another --layer")
    scale = 1 / np.maximum(spread, spread.max() * 1e-6)
    means = np.stack([features[owners == name].mean(axis=0) for name in counts])
    residuals = np.concatenate(
        [features[owners == name] - mean for name, mean in zip(counts, means, strict=True)]
    )
    covariance = LedoitWolf(assume_centered=True).fit(residuals * scale).covariance_
    values, vectors = np.linalg.eigh(covariance)
    kept = slice(-MAX_DIMENSIONS, None)
    whiten = scale[:, np.newaxis] * vectors[:, kept] / np.sqrt(values[kept])
    return whiten.astype(np.float32), (means @ whiten).astype(np.float32), counts


def _promised(group: NoveltyGroup, share: float) -> str:
    flagged = group.flagged
    made = max(share, smallest_promise(flagged.identities))
    return (
        f"at most {percent(made)} of new {group.name} ({flagged.count}; checked on people left "
        f"out: {percent(flagged.value)}, 95% {percent(flagged.low)} to {percent(flagged.high)})"
    )


def video_means(values: Floats, faces: Sequence[FaceInputs]) -> tuple[Floats, list[FaceInputs]]:
    """Mean of each video, and its first face, in order."""
    places: dict[tuple[str, str], list[int]] = {}
    for index, face in enumerate(faces):
        places.setdefault((face.row.source, face.row.video_id), []).append(index)
    means = np.array([values[inside].mean() for inside in places.values()])
    return means, [faces[inside[0]] for inside in places.values()]


def _limit(
    values: Floats, faces: Sequence[FaceInputs], share: float
) -> tuple[float, tuple[NoveltyGroup, ...], tuple[str, ...]]:
    """The lowest limit that keeps the promise to clips and to stills."""
    means, firsts = video_means(values, faces)
    kinds = np.array(["stills" if face.is_still else "clips" for face in firsts])
    people = np.array([f"{face.row.source}/{face.row.group}" for face in firsts])
    parts = {kind: (means[kinds == kind], people[kinds == kind]) for kind in sorted(set(kinds))}
    limits = {kind: upper_threshold(v, p.tolist(), share) for kind, (v, p) in parts.items()}
    groups, problems = [], []
    for kind, (own, owners) in parts.items():
        floor = max((limit for name, limit in limits.items() if name != kind), default=-np.inf)
        hits = np.zeros(len(own), np.bool_)
        for person in set(owners.tolist()):
            rest = owners != person
            limit = upper_threshold(own[rest], owners[rest].tolist(), share) if rest.any() else 0.0
            hits[~rest] = own[~rest] > max(limit, floor)
        flagged = measured_share(hits, owners.tolist())
        groups.append(NoveltyGroup(kind, float(np.median(own)), flagged))
        if smallest_promise(flagged.identities) > share:
            problems.append(
                f"novelty of {kind}: {percent(share)} was asked for, but {flagged.identities} "
                f"people support no promise under 1 in {flagged.identities + 1}; that is what is "
                "promised"
            )
    threshold = float(np.ceil(max(limits.values()) * 1e4) / 1e4)
    return threshold, tuple(groups), tuple(problems)


def _class_name(face: FaceInputs) -> str:
    return f"{'fake' if face.row.label else 'genuine'} {face.row.source}".strip()


def _run(model: bytes, card: DetectorCard, faces: Sequence[FaceInputs], output: str) -> Tensor:
    """One output of a graph for all faces, (N, ...)."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    batch = BATCH if card.input.frames == 1 else 1
    parts = []
    for start in range(0, len(faces), batch):
        inputs = np.stack([face.inputs() for face in faces[start : start + batch]])
        parts.append(session.run([output], {card.input.name: inputs})[0])
    return np.concatenate(parts)


def _check_logits(
    before: bytes, after: bytes, card: DetectorCard, faces: Sequence[FaceInputs]
) -> None:
    """The logits must not hang on whether novelty is measured."""
    old, new = (_run(model, card, faces, card.output.name) for model in (before, after))
    if not same_bits(old, new):
        raise FidelityError(
            "the logits changed when the graph got its second output; nothing was written. Fit it "
            "on the float32 bundle and quantize that"
        )


def same_bits(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> bool:
    """Whether two arrays are the same to the bit."""
    return first.shape == second.shape and first.tobytes() == second.tobytes()
