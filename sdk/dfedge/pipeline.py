"""One frame through faces, tracks, crops and logits, and many frames into a verdict.

The stages are those of the design, in one direction: frame -> faces -> tracks -> crops -> logits ->
observations -> verdict. A :class:`FramePipeline` holds the state of one source (its tracks and its
clock); the models it runs are shared and stateless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2

from dfedge import __version__
from dfedge.analysis import Evidence
from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import Decision, DetectorCard
from dfedge.crops import Preprocessor, crop_box, cut, measure_quality, visible
from dfedge.faces import FaceFinder, FaceTracker
from dfedge.media import MediaInfo
from dfedge.runtime import OnnxModel
from dfedge.scoring import (
    calibrate,
    fake_logits,
    judge_clip,
    judge_track,
    quality_issues,
    timeline,
)
from dfedge.types import Box, Frame, Image, Tensor, TrackedFace
from dfedge.verdict import (
    ModelInfo,
    Observation,
    Opinion,
    Reason,
    SourceInfo,
    Timing,
    Verdict,
)

EVIDENCE_SIDE = 160
"""Longest side of an evidence picture, pixels."""
EVIDENCE_PER_TRACK = 12
EVIDENCE_SCALE = 1.8
"""Side of an evidence picture in face boxes: the face with hair, chin and some background."""
JPEG_QUALITY = 85
CLASSIFY_BATCH = 8
"""Faces in one run of the model; larger batches gain little more and cost memory."""


@dataclass(frozen=True, slots=True)
class Models:
    """What scores faces: finder, preprocessing, classifier and its card."""

    bundle: Bundle
    card: DetectorCard
    finder: FaceFinder
    preprocessor: Preprocessor
    classifier: OnnxModel

    def info(self) -> tuple[ModelInfo, ...]:
        """The models that take part in a verdict."""
        edge = ModelInfo(
            name=self.card.name, version=self.card.version, sha256=self.bundle.sha256, role="edge"
        )
        return (*self.finder.models, edge)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What was seen in one sampled frame: its time and each (track, observation)."""

    pts_seconds: float
    faces: tuple[tuple[int, Observation], ...]


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A face that is found, followed and cut, and waits for its score."""

    tracked: TrackedFace
    crop: Image
    issues: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame whose faces wait for their scores; the picture itself is gone."""

    index: int
    pts_seconds: float
    sightings: tuple[_Sighting, ...]


class FramePipeline:
    """Runs the frames of one source in order; not to be shared between sources or threads.

    Faces are scored in batches of several frames, which two cores do in two thirds of the time.
    """

    def __init__(self, models: Models, *, keep_evidence: bool) -> None:
        self._models = models
        self._tracker = FaceTracker()
        self._strips: dict[int, _EvidenceStrip] = {}
        self._keep_evidence = keep_evidence
        self._waiting: list[_Seen] = []
        self._records: list[FrameRecord] = []
        self.faces_seconds = 0.0
        self.classify_seconds = 0.0

    def add(self, frame: Frame) -> None:
        """Find, follow and cut the faces of one frame; score what waits when a batch is full."""
        started = time.perf_counter()
        tracked = self._tracker.update(self._models.finder.find(frame.image), frame)
        self.faces_seconds += time.perf_counter() - started
        sightings = tuple(self._cut(frame, face) for face in tracked)
        self._waiting.append(_Seen(frame.index, _shown_at(frame), sightings))
        if self._keep_evidence:
            for face in tracked:
                strip = self._strips.setdefault(face.track_id, _EvidenceStrip())
                strip.add(lambda face=face: _evidence(frame, face))  # type: ignore[misc]
        if sum(len(seen.sightings) for seen in self._waiting) >= CLASSIFY_BATCH:
            self._score_waiting()

    def records(self) -> list[FrameRecord]:
        """What was seen since the last call, every face scored."""
        self._score_waiting()
        records, self._records = self._records, []
        return records

    def evidence(self) -> tuple[Evidence, ...]:
        """The pictures kept so far, by track and time."""
        return tuple(item for _, strip in sorted(self._strips.items()) for item in strip.items)

    def _cut(self, frame: Frame, tracked: TrackedFace) -> _Sighting:
        card = self._models.card
        box = crop_box(tracked.face.box, card.crop)
        quality = measure_quality(visible(frame.image, box))
        issues = quality_issues(tracked.face.box, quality, card.decision.quality)
        return _Sighting(tracked, cut(frame.image, box, card.crop.pad_value), issues)

    def _score_waiting(self) -> None:
        started = time.perf_counter()
        waiting, self._waiting = self._waiting, []
        crops = [sighting.crop for seen in waiting for sighting in seen.sightings]
        logits = iter(self._logits(crops))
        decision = self._models.card.decision
        for seen in waiting:
            faces = tuple(
                (sighting.tracked.track_id, _observe(seen, sighting, next(logits), decision))
                for sighting in seen.sightings
            )
            self._records.append(FrameRecord(seen.pts_seconds, faces))
        self.classify_seconds += time.perf_counter() - started

    def _logits(self, crops: Sequence[Image]) -> list[float]:
        card = self._models.card
        logits: list[float] = []
        for start in range(0, len(crops), CLASSIFY_BATCH):
            batch: Tensor = self._models.preprocessor(crops[start : start + CLASSIFY_BATCH])
            outputs = self._models.classifier.run({card.input.name: batch})[card.output.name]
            logits.extend(float(logit) for logit in fake_logits(outputs, card.output))
        return logits


def build_verdict(
    records: Sequence[FrameRecord],
    info: MediaInfo,
    models: Models,
    timing: Timing,
    *,
    sampling: str,
    problems: Sequence[str] = (),
) -> Verdict:
    """The verdict on the frames of ``records``, in order of time."""
    decision = models.card.decision
    by_track: dict[int, list[Observation]] = {}
    for record in records:
        for track_id, observation in record.faces:
            by_track.setdefault(track_id, []).append(observation)
    tracks = tuple(
        judge_track(track_id, observations, decision, frames_sampled=len(records))
        for track_id, observations in sorted(by_track.items())
    )
    judgement = judge_clip(tracks, decision, frames_sampled=len(records))
    reasons = judgement.reasons + ((Reason.PARTLY_UNREADABLE,) if problems else ())
    return Verdict(
        source=SourceInfo(
            name=info.name,
            kind=info.kind,
            width=info.width,
            height=info.height,
            duration_seconds=info.duration_seconds,
            sampling=sampling,
            frames_sampled=len(records),
            frames_with_face=sum(bool(record.faces) for record in records),
            problems=tuple(problems),
        ),
        label=judgement.label,
        fake_probability=judgement.fake_probability,
        confidence=judgement.confidence,
        reasons=reasons,
        tracks=tracks,
        timeline=timeline(
            [record.pts_seconds for record in records],
            [observation for record in records for _, observation in record.faces],
        ),
        opinions=(
            Opinion(
                model=models.card.name,
                tier="edge",
                label=judgement.label,
                fake_probability=judgement.fake_probability,
            ),
        ),
        models=models.info(),
        timing=timing,
        dfedge_version=__version__,
    )


def _observe(seen: _Seen, sighting: _Sighting, logit: float, decision: Decision) -> Observation:
    face = sighting.tracked.face
    return Observation(
        pts_seconds=seen.pts_seconds,
        frame_index=seen.index,
        box=Box(*(round(edge, 2) for edge in _edges(face.box))),
        detection_score=round(face.score, 6),
        logit=round(logit, 6),
        fake_probability=round(calibrate(logit, decision.calibration), 6),
        issues=sighting.issues,
    )


def _shown_at(frame: Frame) -> float:
    """Presentation time of a frame in whole microseconds, the same wherever it is told."""
    return round(max(frame.pts_seconds, 0.0), 6)


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


class _EvidenceStrip:
    """At most ``EVIDENCE_PER_TRACK`` pictures of one track, spread over its whole length."""

    def __init__(self) -> None:
        self.items: list[Evidence] = []
        self._stride = 1
        self._seen = 0

    def add(self, make: Callable[[], Evidence]) -> None:
        """Offer one more picture; it is made only when it is kept."""
        if self._seen % self._stride == 0:
            self.items.append(make())
            if len(self.items) > EVIDENCE_PER_TRACK:
                self.items = self.items[::2]
                self._stride *= 2
        self._seen += 1


def _evidence(frame: Frame, tracked: TrackedFace) -> Evidence:
    """Cut the face with its surroundings, kept inside the frame, and shrink it."""
    box = tracked.face.box
    center_x, center_y = box.center
    half = EVIDENCE_SCALE * max(box.width, box.height) / 2
    left, right = max(0, int(center_x - half)), min(frame.width, int(center_x + half) + 1)
    top, bottom = max(0, int(center_y - half)), min(frame.height, int(center_y + half) + 1)
    left, top = min(left, frame.width - 1), min(top, frame.height - 1)
    picture = frame.image[top : max(bottom, top + 1), left : max(right, left + 1)]
    factor = min(1.0, EVIDENCE_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    assert done, "OpenCV encodes any 8-bit picture as JPEG"
    return Evidence(
        track_id=tracked.track_id,
        frame_index=frame.index,
        pts_seconds=_shown_at(frame),
        jpeg=data.tobytes(),
        box=box.shifted(-left, -top).scaled(factor),
    )
