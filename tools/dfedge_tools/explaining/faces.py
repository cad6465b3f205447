"""The faces of a picture or a clip, found, followed, cut and scored as the SDK does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import CropBox, Preprocessor, crop_box, cut, measure_quality, visible
from dfedge.errors import MediaFormatError
from dfedge.faces import FaceFinder, FaceTracker
from dfedge.media import MediaReader
from dfedge.scoring import calibrate, judge_track, quality_issues
from dfedge.types import Box, Face, Frame, Image, Tensor
from dfedge.verdict import Observation, Reason, TrackVerdict
from dfedge_tools.scorers import Scorer

PICTURE_SIDE = 640
"""Longer side, in pixels, of the frames that are kept for a video."""


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face in one frame.

    Attributes:
        observation: its time, box and score, as in a verdict.
        crop: cut by the card's contract, before it is resized.
        crop_box: of the crop in pixels of the frame.
        x: the model's input, (3, S, S).
        picture: the frame, its longer side at most :data:`PICTURE_SIDE`.
        scale: pixels of `picture` for one of the frame.
    """

    observation: Observation
    crop: Image
    crop_box: CropBox
    x: Tensor
    picture: Image
    scale: float


@dataclass(frozen=True, slots=True)
class Person:
    """The faces of one track, in order of time, and what the card says of them."""

    verdict: TrackVerdict
    faces: tuple[SeenFace, ...]


@dataclass(frozen=True, slots=True)
class Looker:
    """What sees faces: the card, who finds them, who prepares and who scores them."""

    card: DetectorCard
    finder: FaceFinder
    preprocess: Preprocessor
    scorer: Scorer

    def people(
        self, reader: MediaReader, *, progress: Callable[[], object] = lambda: None
    ) -> list[Person]:
        """The people in the frames of a reader, the most suspicious first.

        Args:
            progress: called after each frame.

        Raises:
            MediaFormatError: no face was found in any frame, so there is nothing to explain.
        """
        tracker = FaceTracker()
        frames = 0
        sightings: dict[int, list[_Sighting]] = {}
        for frame in reader:
            frames += 1
            found = tracker.update(self._find(frame.image), frame)
            picture = _shrunk(frame.image) if found else frame.image
            for tracked in found:
                seen = self._cut(frame, tracked.face, picture)
                sightings.setdefault(tracked.track_id, []).append(seen)
            progress()
        if not sightings:
            what = "it" if frames == 1 else f"any of {frames} frames"
            raise MediaFormatError(reader.info.name, f"no face was found in {what}")
        people = [self._person(track, seen, frames) for track, seen in sightings.items()]
        return sorted(people, key=lambda person: -person.verdict.fake_probability)

    def _find(self, image: Image) -> tuple[Face, ...]:
        if self.card.crop.box_source == WHOLE_FRAME:
            height, width = image.shape[:2]
            return (Face(Box(0, 0, width, height), 1.0, ()),)
        return self.finder.find(image)

    def _cut(self, frame: Frame, face: Face, picture: Image) -> _Sighting:
        box = crop_box(face.box, self.card.crop)
        quality = measure_quality(visible(frame.image, box))
        return _Sighting(
            frame_index=frame.index,
            pts_seconds=max(frame.pts_seconds, 0.0),
            face=face,
            box=box,
            crop=cut(frame.image, box, self.card.crop.pad_value),
            issues=quality_issues(face.box, quality, self.card.decision.quality),
            picture=picture,
            scale=picture.shape[1] / frame.width,
        )

    def _person(self, track_id: int, sightings: list[_Sighting], frames: int) -> Person:
        decision = self.card.decision
        inputs = self.preprocess([seen.crop for seen in sightings])
        odds = [float(value) for value in self.scorer.log_odds(inputs)]
        observations = [
            Observation(
                pts_seconds=seen.pts_seconds,
                frame_index=seen.frame_index,
                box=seen.face.box,
                detection_score=seen.face.score,
                logit=value,
                fake_probability=calibrate(value, decision.calibration),
                issues=seen.issues,
            )
            for seen, value in zip(sightings, odds, strict=True)
        ]
        faces = [
            SeenFace(
                observation=observation,
                crop=seen.crop,
                crop_box=seen.box,
                x=x,
                picture=seen.picture,
                scale=seen.scale,
            )
            for seen, x, observation in zip(sightings, inputs, observations, strict=True)
        ]
        verdict = judge_track(track_id, observations, decision, frames_sampled=frames)
        return Person(verdict, tuple(faces))


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A face that is found and cut, and waits for its score."""

    frame_index: int
    pts_seconds: float
    face: Face
    box: CropBox
    crop: Image
    issues: tuple[Reason, ...]
    picture: Image
    scale: float


def _shrunk(image: Image) -> Image:
    factor = PICTURE_SIDE / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
