"""A row a person: what is said of them, and the pictures it rests on."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfedge.report.wording import (
    Thresholds,
    clock,
    describe_frames,
    other_reasons,
    percent,
    person,
)
from dfedge.verdict import REASON_TEXT, Label, Observation, TrackVerdict, Verdict

if TYPE_CHECKING:
    from dfedge.analysis import Evidence

PEOPLE_WITH_CROPS = 10
"""The most suspicious people are shown with pictures; more would make the file heavy."""
PERSON_COLOURS = 6
"""Colours that tell people apart in the timeline; everybody else is grey."""

_TONES = {Label.FAKE: "fake", Label.REAL: "real", Label.UNCERTAIN: "unsure", Label.NO_FACE: "none"}


@dataclass(frozen=True, slots=True)
class CropView:
    """One picture of a face.

    Attributes:
        left, top, width, height: the face box in percent of the picture.
        time: in the source; empty for a picture.
        note: why the frame does not count; empty when it does.
        heat_href: the same picture with its heat map; empty when it has none.
    """

    href: str
    heat_href: str
    picture_width: int
    picture_height: int
    left: float
    top: float
    width: float
    height: float
    score: str
    tone: str
    time: str
    note: str
    description: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """One track.

    Attributes:
        colour: ``p0`` to ``p5``, or ``other``: the colour of its line in the timeline.
        decides: the verdict on the whole source is this person's.
        crops: pictures without a heat map.
        heats: pictures with one.
    """

    name: str
    colour: str
    decides: bool
    label: str
    tone: str
    probability: str
    frames: str
    sentences: tuple[str, ...]
    crops: tuple[CropView, ...]
    heats: tuple[CropView, ...]


def people_views(
    verdict: Verdict, evidence: Sequence[Evidence], thresholds: Thresholds
) -> tuple[PersonView, ...]:
    """Everybody in the source, the most suspicious first; pictures for the first ten."""
    ranked = by_suspicion(verdict)
    people = []
    for rank, track in enumerate(ranked):
        shown = evidence if rank < PEOPLE_WITH_CROPS else ()
        crops = _crops(track, shown, thresholds, timed=verdict.source.kind != "image")
        people.append(
            PersonView(
                name=person(track.track_id),
                colour=colour_of(rank),
                decides=rank == 0 and len(ranked) > 1,
                label=track.label.value,
                tone=_TONES[track.label],
                probability=percent(track.fake_probability),
                frames=describe_frames(track),
                sentences=other_reasons(track.reasons),
                crops=tuple(crop for crop in crops if not crop.heat_href),
                heats=tuple(crop for crop in crops if crop.heat_href),
            )
        )
    return tuple(people)


def by_suspicion(verdict: Verdict) -> list[TrackVerdict]:
    """The tracks, the one that decides the verdict first, then by falling P(fake)."""

    def key(track: TrackVerdict) -> tuple[bool, float, int]:
        decides = (track.label, track.fake_probability) == (
            verdict.label,
            verdict.fake_probability,
        )
        return (not decides, -track.fake_probability, track.track_id)

    return sorted(verdict.tracks, key=key)


def colour_of(rank: int) -> str:
    """The colour class of the person at this place in the order of suspicion."""
    return f"p{rank}" if rank < PERSON_COLOURS else "other"


def tone_of(probability: float, thresholds: Thresholds) -> str:
    """The colour a single score is shown in."""
    if probability >= thresholds.fake:
        return "fake"
    return "real" if probability <= thresholds.real else "unsure"


def describe_observation(track: TrackVerdict, observation: Observation) -> str:
    """``Person 1 at 0:03.2: P(fake) 91%, not counted: The face is too blurred to judge.``"""
    text = (
        f"{person(track.track_id)} at {clock(observation.pts_seconds, tenths=True)}: "
        f"P(fake) {percent(observation.fake_probability)}"
    )
    if observation.usable:
        return text
    return f"{text}, not counted: {' '.join(REASON_TEXT[issue] for issue in observation.issues)}"


def _crops(
    track: TrackVerdict, evidence: Sequence[Evidence], thresholds: Thresholds, *, timed: bool
) -> tuple[CropView, ...]:
    observations = {observation.frame_index: observation for observation in track.observations}
    own = [item for item in evidence if item.track_id == track.track_id]
    return tuple(
        _crop(item, track, observations[item.frame_index], thresholds, timed=timed)
        for item in own
        if item.frame_index in observations
    )


def _crop(
    item: Evidence,
    track: TrackVerdict,
    observation: Observation,
    thresholds: Thresholds,
    *,
    timed: bool,
) -> CropView:
    width, height = _jpeg_size(item.jpeg)
    left, top = max(item.box.left, 0.0), max(item.box.top, 0.0)
    right, bottom = min(item.box.right, float(width)), min(item.box.bottom, float(height))
    return CropView(
        href=_data_address(item.jpeg),
        heat_href="" if item.heat_jpeg is None else _data_address(item.heat_jpeg),
        picture_width=width,
        picture_height=height,
        left=round(100 * left / width, 2),
        top=round(100 * top / height, 2),
        width=round(100 * max(right - left, 0.0) / width, 2),
        height=round(100 * max(bottom - top, 0.0) / height, 2),
        score=percent(observation.fake_probability),
        tone=tone_of(observation.fake_probability, thresholds),
        time=clock(observation.pts_seconds, tenths=True) if timed else "",
        note=", ".join(issue.value.replace("_", " ") for issue in observation.issues),
        description=describe_observation(track, observation),
    )


def _data_address(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        return picture.size
