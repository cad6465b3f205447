"""Faces a model knows, and faces like them that were kept back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor
from dfedge.errors import UsageError
from dfedge.faces import open_face_finder
from dfedge.types import Image, Tensor
from dfedge_tools.data.manifest import MANIFEST, Sample, read_manifest
from dfedge_tools.evaluating.inputs import EVERYTHING, read_data, read_held_stills
from dfedge_tools.evaluating.scores import Labelled
from dfedge_tools.faceset import cut_face, read_image

TRAIN = "train"
KEPT_BACK_OF = 5
"""Where a set has no splits, every fifth person, by a hash of the name, is kept back."""


_Picture: TypeAlias = tuple[Labelled, Callable[[], Image]]
"""What is known of a picture, and how to get at its pixels."""


@dataclass(frozen=True, slots=True)
class FaceInputs:
    """One input of a model: a crop, or a clip's.

    Attributes:
        crops: as the runtime cuts them, uint8; one, or as many as the model takes at once.
        is_still: whether it is a picture and no frame of a clip.
    """

    row: Labelled
    crops: tuple[Image, ...]
    is_still: bool
    preprocess: Preprocessor

    def inputs(self) -> Tensor:
        """(3, height, width), or (T, 3, height, width)."""
        rows: Tensor = self.preprocess(list(self.crops))
        return rows if len(self.crops) > 1 else rows[0]


@dataclass(frozen=True, slots=True)
class Reference:
    """What novelty is fitted on, and what its limit is set on.

    Attributes:
        names: of the places they are from.
        faceless: pictures without a face, which were left out.
    """

    known: tuple[FaceInputs, ...]
    kept_back: tuple[FaceInputs, ...]
    names: tuple[str, ...]
    faceless: int


@dataclass(frozen=True, slots=True)
class _Unit:
    row: Labelled
    loads: tuple[Callable[[], Image], ...]
    is_still: bool


def read_reference(
    places: Sequence[Path], bundle: Bundle, card: DetectorCard, *, count: int, quiet: bool = False
) -> Reference:
    """The faces of some places, cut as the runtime cuts them.

    Known are those of split ``train``; kept back all others. Portraits without splits are split as
    training splits them, other sets without a split ``train`` by person.

    Args:
        count: known faces at most, and faces kept back at most; spread evenly over label and
            source.

    Raises:
        UsageError: a place holds no pictures, or nothing is left on one side.
    """
    known: list[_Unit] = []
    kept: list[_Unit] = []
    for place in places:
        first, second = _split(place, card.input.frames)
        known += first
        kept += second
    if not known or not kept:
        side = "to fit on (split train)" if not known else "kept back (a split other than train)"
        raise UsageError(f"--reference: there are no faces {side}; give a place that has them too")
    chosen = [_spread(units, count) for units in (known, kept)]
    preprocess = Preprocessor(bundle)
    sides, faceless = _cut([*chosen[0], *chosen[1]], card, preprocess, quiet=quiet)
    return Reference(
        known=tuple(face for face in sides[: len(chosen[0])] if face is not None),
        kept_back=tuple(face for face in sides[len(chosen[0]) :] if face is not None),
        names=tuple(place.resolve().name for place in places),
        faceless=faceless,
    )


def _split(place: Path, frames: int) -> tuple[list[_Unit], list[_Unit]]:
    clips = _clips(place)
    if not clips:
        raise UsageError(f"--reference {place}: holds no pictures; give frames, not videos")
    is_known = _knower(place, [pictures[0][0] for pictures in clips])
    known: list[_Unit] = []
    kept: list[_Unit] = []
    for pictures in clips:
        (known if is_known(pictures[0][0]) else kept).extend(_units(pictures, frames))
    return known, kept


def _clips(place: Path) -> list[list[_Picture]]:
    """The pictures of each clip, or each still; rows of a manifest without a label are genuine."""
    if not place.is_file() and not (place / MANIFEST).is_file():
        clips = read_data(place, split=EVERYTHING).clips
        return [[(p.row, p.load) for p in clip.pictures] for clip in clips if clip.pictures]
    manifest = read_manifest(place, label=0)
    found: dict[tuple[str, str], list[_Picture]] = {}
    for sample in manifest.samples:
        if sample.media == "picture":
            load = partial(read_image, manifest.file(sample))
            found.setdefault((sample.source, sample.video_id), []).append((_row(sample), load))
    return [sorted(pictures, key=lambda picture: picture[0].frame) for pictures in found.values()]


def _row(sample: Sample) -> Labelled:
    return Labelled(
        sample.video_id,
        sample.label,
        sample.method,
        sample.compression,
        sample.source,
        sample.split,
        frame=sample.frame,
        identity=sample.target_id,
        path=sample.path,
    )


def _knower(place: Path, rows: Sequence[Labelled]) -> Callable[[Labelled], bool]:
    """Which clips of a place the model knows."""
    splits = {row.split for row in rows}
    if TRAIN in splits:
        return lambda row: row.split == TRAIN
    if splits == {""} and not any(row.label or row.identity for row in rows):
        held = {clip.row.video_id for clip in read_held_stills(place).clips}
        return lambda row: row.video_id not in held
    return lambda row: _hash(row.group) % KEPT_BACK_OF != 0


def _units(pictures: Sequence[_Picture], frames: int) -> Iterator[_Unit]:
    """Each picture, or the clip's frames put together for a model of clips."""
    still = len(pictures) == 1
    if frames == 1:
        for row, load in pictures:
            yield _Unit(row, (load,), still)
    elif not still:
        chosen = [pictures[step * len(pictures) // frames] for step in range(frames)]
        yield _Unit(pictures[0][0], tuple(load for _, load in chosen), is_still=False)


def _spread(units: Sequence[_Unit], count: int) -> list[_Unit]:
    """At most `count`, as even over label and source as they allow, evenly spaced in each."""
    groups: dict[tuple[int, str], list[_Unit]] = {}
    for unit in units:
        groups.setdefault((unit.row.label, unit.row.source), []).append(unit)
    chosen: list[_Unit] = []
    left = count
    for done, group in enumerate(sorted(groups.values(), key=len)):
        quota = min(len(group), left // (len(groups) - done))
        chosen += [group[index * len(group) // quota] for index in range(quota)]
        left -= quota
    return chosen


def _cut(
    units: Sequence[_Unit], card: DetectorCard, preprocess: Preprocessor, *, quiet: bool
) -> tuple[list[FaceInputs | None], int]:
    finder = None if card.crop.box_source == WHOLE_FRAME else open_face_finder()
    faces: list[FaceInputs | None] = []
    try:
        for unit in tqdm(units, desc="faces", unit="face", disable=quiet or None, mininterval=1):
            crops = [cut_face(np.asarray(load()), card, finder) for load in unit.loads]
            found = tuple(crop for crop in crops if crop is not None)
            whole = len(found) == len(crops)
            faces.append(FaceInputs(unit.row, found, unit.is_still, preprocess) if whole else None)
    finally:
        if finder is not None:
            finder.close()
    return faces, sum(face is None for face in faces)


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
