"""Score the same faces by two forms of a model, and hold what differs against limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dfedge.errors import UsageError
from dfedge.scoring import judge_probability
from dfedge_tools.faceset import FacePicture, FaceSet, load_faces, noise_set
from dfedge_tools.fidelity import (
    Agreement,
    Floats,
    Limits,
    agreement,
    clip_agreement,
    clip_log_odds,
    probabilities,
)
from dfedge_tools.verifying.sides import Side, decision_differences, input_differences

SCHEMA = "dfedge.verification/1"
CHUNK = 16
"""Inputs scored between two steps of the progress bar."""
WORST = 16
"""Disagreements that are kept."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One input or clip, as each of the two sees it; probabilities are calibrated.

    Attributes:
        picture: it was cut from; None for noise and for a clip of several.
        truth: 1 fake, 0 real, None unknown.
    """

    picture: Path | None
    clip: str
    truth: int | None
    logits: tuple[float, float]
    fake_probabilities: tuple[float, float]
    labels: tuple[str, str]

    @property
    def change(self) -> float:
        """Of the probability; infinite where one is no number."""
        change = abs(self.fake_probabilities[0] - self.fake_probabilities[1])
        return change if math.isfinite(change) else math.inf

    @property
    def is_relabelled(self) -> bool:
        """Whether the verdict is another."""
        return self.labels[0] != self.labels[1]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        unit: what an input is: ``faces``, ``clips`` or ``inputs`` of noise.
        inputs: agreement input by input.
        clips: the same of clips whose frames were made one; None where there are none.
        missed: pictures without a face, which were left out.
        input_differences: what makes the two see another picture of the same face.
        allowed: whether such differences may be.
        notes: what a reader should know of the comparison, a sentence each.
        log_odds: (N,) of the reference and of the candidate, before calibration.
        worst: inputs that get another label, then those whose probability changes most.
        worst_clips: the same of clips; empty where there are none.
    """

    reference: Side
    candidate: Side
    limits: Limits
    unit: str
    inputs: Agreement
    clips: Agreement | None
    missed: int
    input_differences: tuple[str, ...]
    allowed: bool
    notes: tuple[str, ...]
    log_odds: tuple[Floats, Floats]
    worst: tuple[Disagreement, ...]
    worst_clips: tuple[Disagreement, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """What is not as it should be, a phrase each; empty: passed."""
        found = [f"{self.unit}: {problem}" for problem in self.limits.failures(self.inputs)]
        if self.clips is not None:
            found += [f"clips: {problem}" for problem in self.limits.failures(self.clips)]
        if not self.allowed:
            found += self.input_differences
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether all limits are kept."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """The ``dfedge.verification/1`` object."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "failures": list(self.failures),
            "reference": _side_values(self.reference),
            "candidate": _side_values(self.candidate),
            "unit": self.unit,
            "missed": self.missed,
            "input_differences": list(self.input_differences),
            "notes": list(self.notes),
            "limits": asdict(self.limits),
            "inputs": self.inputs.as_json(),
            "clips": None if self.clips is None else self.clips.as_json(),
            "worst": [_worst_values(entry) for entry in self.worst],
            "worst_clips": [_worst_values(entry) for entry in self.worst_clips],
        }


def verify(
    reference: Side,
    candidate: Side,
    pictures: Sequence[FacePicture] | None,
    limits: Limits,
    *,
    noise: int = 64,
    allow_different_input: bool = False,
    quiet: bool = False,
) -> Verification:
    """Compare two sides on faces, or on seeded noise where there are no pictures.

    Args:
        pictures: each side cuts and resizes them by its own card and ``preprocess.onnx``.
        noise: inputs without pictures.
        allow_different_input: differences of cut and resize are told, and are no failure.

    Raises:
        UsageError: no face is found, or noise cannot be given to both.
    """
    differences = input_differences(reference, candidate)
    own, other = _inputs(
        reference, candidate, pictures, noise=noise, differ=bool(differences), quiet=quiet
    )
    before = _score(reference, own, "reference", quiet=quiet)
    after = _score(candidate, other, "candidate", quiet=quiet)
    cards = {"card": reference.card, "candidate_card": candidate.card}
    clips = clip_agreement(before, after, own, **cards)
    unit = "inputs" if pictures is None else "faces"
    return Verification(
        reference=reference,
        candidate=candidate,
        limits=limits,
        unit="clips" if reference.card.input.frames > 1 else unit,
        inputs=agreement(before, after, own, **cards),
        clips=clips,
        missed=len({*own.missed, *other.missed}),
        input_differences=differences,
        allowed=allow_different_input,
        notes=tuple(_notes(reference, candidate, own)),
        log_odds=(before, after),
        worst=_worst(_disagreements(before, after, own, reference, candidate)),
        worst_clips=()
        if clips is None
        else _worst(_clip_disagreements(before, after, own, reference, candidate)),
    )


def _inputs(
    reference: Side,
    candidate: Side,
    pictures: Sequence[FacePicture] | None,
    *,
    noise: int,
    differ: bool,
    quiet: bool,
) -> tuple[FaceSet, FaceSet]:
    """The same pictures as each side sees them."""
    if pictures is None:
        sets = noise_set(reference.card, count=noise), noise_set(candidate.card, count=noise)
        if sets[0].inputs.shape != sets[1].inputs.shape:
            raise UsageError(
                f"{candidate.given}: takes another size of input than {reference.given}, so noise "
                "cannot be given to both; give --faces a folder of pictures"
            )
        return sets
    own = load_faces(pictures, reference.bundle, reference.card, quiet=quiet)
    if not differ:
        return own, own
    other = load_faces(pictures, candidate.bundle, candidate.card, quiet=quiet)
    if own.pictures == other.pictures:
        return own, other
    both = set(own.pictures) & set(other.pictures)
    if not both:
        raise UsageError(
            f"{pictures[0].path.parent}: no picture holds a face that both sides can see"
        )
    return _only(own, both), _only(other, both)


def _only(faces: FaceSet, kept: set[FacePicture]) -> FaceSet:
    places = [place for place, picture in enumerate(faces.pictures) if picture in kept]
    return FaceSet(
        inputs=faces.inputs[places],
        labels=None if faces.labels is None else faces.labels[places],
        clips=tuple(faces.clips[place] for place in places),
        data=f"{len(places)} of {faces.data} that both see",
        missed=faces.missed,
        pictures=tuple(faces.pictures[place] for place in places),
    )


def _score(side: Side, faces: FaceSet, what: str, *, quiet: bool) -> Floats:
    parts = []
    total = len(faces.inputs)
    with tqdm(total=total, desc=what, unit="input", leave=False, disable=quiet or None) as bar:
        for start in range(0, total, CHUNK):
            parts.append(side.scorer.log_odds(faces.inputs[start : start + CHUNK]))
            bar.update(len(parts[-1]))
    return np.concatenate(parts)


def _notes(reference: Side, candidate: Side, faces: FaceSet) -> list[str]:
    notes = []
    if (reference.sha256, reference.runtime) == (candidate.sha256, candidate.runtime):
        notes.append("Both are the same file.")
    if not faces.pictures:
        notes.append("No faces: only the arithmetic is compared. Faces are given by --faces.")
    elif faces.labels is None or len(set(faces.labels.tolist())) < 2:
        notes.append("No labels of both kinds: change of AUC and of calibration is not measured.")
    decisions = decision_differences(reference, candidate)
    if decisions:
        notes.append(f"Each is judged by its own card: {'; '.join(decisions)}.")
    return notes


def _worst(found: Sequence[Disagreement]) -> tuple[Disagreement, ...]:
    order = sorted(found, key=lambda entry: (entry.is_relabelled, entry.change), reverse=True)
    return tuple(order[:WORST])


def _disagreements(
    before: Floats, after: Floats, faces: FaceSet, reference: Side, candidate: Side
) -> list[Disagreement]:
    """All inputs, in their order."""
    decisions = reference.card.decision, candidate.card.decision
    first, second = (
        probabilities(logits, decision)
        for logits, decision in zip((before, after), decisions, strict=True)
    )
    return [
        Disagreement(
            picture=faces.pictures[place].path if faces.pictures else None,
            clip=clip,
            truth=None if faces.labels is None else int(faces.labels[place]),
            logits=(float(before[place]), float(after[place])),
            fake_probabilities=(float(first[place]), float(second[place])),
            labels=(
                judge_probability(float(first[place]), decisions[0]).label.value,
                judge_probability(float(second[place]), decisions[1]).label.value,
            ),
        )
        for place, clip in enumerate(faces.clips)
    ]


def _clip_disagreements(
    before: Floats, after: Floats, faces: FaceSet, reference: Side, candidate: Side
) -> list[Disagreement]:
    """All clips, in order of first appearance."""
    names = tuple(dict.fromkeys(faces.clips))
    first = [faces.clips.index(name) for name in names]
    clips = FaceSet(
        inputs=faces.inputs[first],
        labels=None if faces.labels is None else faces.labels[first],
        clips=names,
        data=faces.data,
    )
    own, other = (
        clip_log_odds(logits, faces.clips, side.card.decision)
        for logits, side in ((before, reference), (after, candidate))
    )
    return _disagreements(own, other, clips, reference, candidate)


def _side_values(side: Side) -> dict[str, Any]:
    return {
        "given": side.given,
        "name": side.name,
        "runtime": side.runtime,
        "sha256": side.sha256,
        "size_bytes": side.size_bytes,
    }


def _worst_values(entry: Disagreement) -> dict[str, Any]:
    return {
        "picture": None if entry.picture is None else str(entry.picture),
        "clip": entry.clip,
        "truth": entry.truth,
        "logits": [_number(value) for value in entry.logits],
        "fake_probabilities": [_number(value) for value in entry.fake_probabilities],
        "labels": list(entry.labels),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
