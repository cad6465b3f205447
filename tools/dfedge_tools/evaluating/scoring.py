"""Clips scored exactly as the SDK scores them, by its own face finder, crops, runtime and rules.

A video goes the whole way of `dfedge.Detector`: frames, faces, tracks, and the person whose verdict
is that of the video. Stored frames are cut about one face already, so there the face nearest the
centre counts (looked for again with a border where none is found), and all frames of a clip are
of one person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import cv2
from tqdm import tqdm

from dfedge.bundles.card import CropContract, DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.crops import CropBox, CropQuality, Preprocessor, crop_box, cut, measure_quality, visible
from dfedge.detector import DEFAULT_FRAMES
from dfedge.errors import MediaError, UsageError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.frame_scorers import (
    THE_FRAME,
    ClipScorer,
    CropScorer,
    FrameRecord,
    FrameScorer,
    Seen,
    Sighting,
)
from dfedge.media import open_media
from dfedge.models import Models
from dfedge.pipeline import FramePipeline
from dfedge.runtime import Device, open_model
from dfedge.scoring import judge_track, quality_issues, suspect
from dfedge.types import Box, Face, Image, TrackedFace
from dfedge.verdict import ModelInfo, Observation, TrackVerdict
from dfedge_tools.data.faces import central_face
from dfedge_tools.evaluating.inputs import Clip
from dfedge_tools.evaluating.scores import Labelled, Scored, ScoreTable, scored

VIDEO_FRAMES = DEFAULT_FRAMES["even"]
PICTURE_SIDE = 160
"""Longest side of a picture in a report, pixels."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is done to a picture before it is looked at, and to the box of its face after.

    Attributes:
        change: (picture, number of the frame) to a picture of the same size.
        move: (box, number of the frame) to the box the crop is cut from.
    """

    change: Callable[[Image, int], Image] = lambda image, _: image
    move: Callable[[Box, int], Box] = lambda box, _: box


CLEAN = Disturbance()


class BundleScorer:
    """Scores clips by a bundle. Not to be shared between threads; close it after use.

    Args:
        bundle: name, folder or ``.zip`` of a detector.
        frames: frames looked at in a video; None for as many as ``dfedge detect`` looks at.

    Raises:
        BundleError: the bundle is not there, not sound, or no detector.
    """

    def __init__(
        self,
        bundle: str | Path,
        *,
        frames: int | None = None,
        device: Device = "cpu",
        threads: int | None = None,
    ) -> None:
        opened, card = resolve_detector(bundle)
        self._models = Models(
            bundle=opened,
            card=card,
            finder=open_face_finder(threads=threads),
            preprocessor=Preprocessor(opened),
            classifier=open_model(opened, device=device, threads=threads),
        )
        self._frames = frames or max(VIDEO_FRAMES, card.input.frames)

    @property
    def card(self) -> DetectorCard:
        """The card of the bundle."""
        return self._models.card

    @property
    def sha256(self) -> str:
        """Of the model."""
        return self._models.bundle.sha256

    def score(
        self, clips: Iterable[Clip], disturbance: Disturbance = CLEAN, *, what: str, quiet: bool
    ) -> tuple[ScoreTable, tuple[str, ...]]:
        """The rows of the clips, and the clips that could not be read, each with its reason.

        Args:
            what: name of the progress bar.
            quiet: show none.
        """
        frames: list[Scored] = []
        faceless: list[Labelled] = []
        unreadable: list[str] = []
        bar = tqdm(list(clips), desc=what, unit="clip", disable=quiet or None, mininterval=1)
        for clip in bar:
            try:
                rows = self._rows(clip, disturbance)
            except (MediaError, UsageError) as error:
                unreadable.append(str(error))
                continue
            for row in rows:
                if isinstance(row, Scored):
                    frames.append(row)
                else:
                    faceless.append(row)
        return ScoreTable(tuple(frames), tuple(faceless)), tuple(unreadable)

    def picture(self, clip: Clip, row: Labelled) -> bytes | None:
        """A small JPEG of what a row is of; None where it cannot be shown."""
        try:
            if clip.video is None:
                stored = next(p for p in clip.pictures if p.row.frame == row.frame)
                return small_jpeg(stored.load())
            return self._frame_picture(clip.video, row)
        except (MediaError, UsageError, StopIteration):
            return None

    def close(self) -> None:
        """Free the models."""
        self._models.preprocessor.close()
        self._models.classifier.close()
        self._models.finder.close()

    def __enter__(self) -> BundleScorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self, clip: Clip, disturbance: Disturbance) -> Sequence[Labelled]:
        if clip.video is None:
            return self._stored_rows(clip, disturbance)
        return self._video_rows(clip, clip.video, disturbance)

    def _stored_rows(self, clip: Clip, disturbance: Disturbance) -> list[Labelled]:
        """One row a stored frame; the quality is that of what was looked at."""
        one = self.card.input.frames == 1
        scorer: FrameScorer = (
            CropScorer(self._models, lambda seen, scores: None) if one else ClipScorer(self._models)
        )
        measured: list[CropQuality | None] = []
        for place, picture in enumerate(clip.pictures):
            image = disturbance.change(picture.load(), picture.row.frame)
            seen, quality = self._look(image, place, picture.row.frame, disturbance)
            measured.append(quality)
            scorer.add(seen)
        rows: list[Labelled] = []
        for picture, record, quality in zip(clip.pictures, scorer.records(), measured, strict=True):
            if not record.faces or quality is None:
                rows.append(picture.row)
            else:
                rows.append(_row(picture.row, record.faces[0][1], quality))
        return rows

    def _look(
        self, image: Image, place: int, number: int, disturbance: Disturbance
    ) -> tuple[Seen, CropQuality | None]:
        """The central face of a stored frame, ready to be scored."""
        record = central_face(image, self._models.finder)
        if record is None:
            return Seen(place, float(place), (), {}), None
        box = disturbance.move(Box(*record.box), number)
        region = crop_box(box, self.card.crop)
        part = visible(image, region)
        if not part.size:
            return Seen(place, float(place), (), {}), None
        quality = measure_quality(part)
        issues = quality_issues(box, quality, self.card.decision.quality)
        whole = self._models.looks_at_whole_frames
        height, width = image.shape[:2]
        crop = image if whole else cut(image, region, self.card.crop.pad_value)
        subject = THE_FRAME if whole else 0
        face = TrackedFace(0, Face(box, record.score, ()))
        sighting = Sighting(
            face, subject, CropBox(0, 0, width, height) if whole else region, issues
        )
        return Seen(place, float(place), (sighting,), {subject: self._models.keep(crop)}), quality

    def _video_rows(self, clip: Clip, video: Path, disturbance: Disturbance) -> list[Labelled]:
        """One row a frame of the person whose verdict is that of the video."""
        finder, records = self._decode(video, disturbance)
        person = self._person(records)
        seen_at = {seen.pts_seconds: seen for seen in person.observations} if person else {}
        rows: list[Labelled] = []
        for number, record in enumerate(records):
            row = replace(clip.row, frame=number, pts_seconds=record.pts_seconds)
            seen = seen_at.get(record.pts_seconds)
            rows.append(row if seen is None else _row(row, seen, finder.measured[number, seen.box]))
        return rows

    def _decode(
        self, video: Path, disturbance: Disturbance
    ) -> tuple[_WatchingFinder, list[FrameRecord]]:
        finder = _WatchingFinder(self._models.finder, self.card.crop, disturbance)
        pipeline = FramePipeline(replace(self._models, finder=finder), keep_evidence=False)
        with open_media(video, sampling="even", frames=self._frames) as reader:
            for number, frame in enumerate(reader):
                finder.number = number
                changed = disturbance.change(frame.image, number)
                pipeline.add(replace(frame, image=changed))
        return finder, pipeline.records()

    def _frame_picture(self, video: Path, row: Labelled) -> bytes | None:
        pipeline = FramePipeline(self._models, keep_evidence=True)
        with open_media(video, sampling="even", frames=self._frames) as reader:
            for frame in reader:
                pipeline.add(frame)
        person = self._person(pipeline.records())
        shown = [e for e in pipeline.evidence() if person and e.track_id == person.track_id]
        at = row.pts_seconds or 0.0
        nearest = min(shown, key=lambda item: abs(item.pts_seconds - at), default=None)
        return None if nearest is None else nearest.jpeg

    def _person(self, records: Sequence[FrameRecord]) -> TrackVerdict | None:
        """Whose verdict is that of the video."""
        by_track: dict[int, list[Observation]] = {}
        for record in records:
            for track, observation in record.faces:
                by_track.setdefault(track, []).append(observation)
        decision, one = self.card.decision, self.card.input.frames
        tracks = [
            judge_track(n, seen, decision, frames_sampled=len(records), clip_frames=one)
            for n, seen in sorted(by_track.items())
        ]
        return suspect(tracks, decision, frames_sampled=len(records), clip_frames=one)


class _WatchingFinder:
    """A face finder that measures each face it finds, as the pipeline will, and may move it.

    Attributes:
        number: of the frame that is looked at; set by the caller.
        measured: (number, box as an observation has it) to quality.
    """

    def __init__(
        self, finder: FaceFinder, contract: CropContract, disturbance: Disturbance
    ) -> None:
        self.number = 0
        self.measured: dict[tuple[int, Box], CropQuality] = {}
        self._finder = finder
        self._contract = contract
        self._disturbance = disturbance

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Those of the finder itself."""
        return self._finder.models

    def find(self, image: Image) -> tuple[Face, ...]:
        """The faces, moved and measured."""
        faces = tuple(
            replace(face, box=self._disturbance.move(face.box, self.number))
            for face in self._finder.find(image)
        )
        for face in faces:
            part = visible(image, crop_box(face.box, self._contract))
            self.measured[self.number, _rounded(face.box)] = measure_quality(part)
        return faces

    def close(self) -> None:
        """Nothing: the finder belongs to the caller."""


def _row(row: Labelled, seen: Observation, quality: CropQuality) -> Scored:
    known = replace(
        row,
        face_pixels=round(min(seen.box.width, seen.box.height), 2),
        sharpness=round(quality.sharpness, 2),
        brightness=round(quality.brightness, 2),
        novelty=seen.novelty,
        issues=seen.issues,
    )
    return scored(known, seen.logit)


def _rounded(box: Box) -> Box:
    """The box as an `Observation` has it."""
    return Box(*(round(edge, 2) for edge in (box.left, box.top, box.right, box.bottom)))


def small_jpeg(image: Image) -> bytes:
    """A picture for a report."""
    factor = min(1.0, PICTURE_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data.tobytes()
