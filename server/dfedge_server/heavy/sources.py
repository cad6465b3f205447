"""What was sent, frame by frame, as the process that opens media gives it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Patch, crop_box
from dfedge.errors import MediaFormatError, MediaLimitError
from dfedge.escalation.wire import CROP_SCALE, Crop, Submission
from dfedge.frame_scorers import FrameRecord
from dfedge.media import MediaInfo
from dfedge.pipeline import FoundFrame
from dfedge.types import Box, Face, TrackedFace
from dfedge.verdict import Verdict
from dfedge_server.heavy.exchange import (
    MAX_PIXELS,
    End,
    FrameSeen,
    OpenClip,
    OpenPictures,
    PictureSeen,
)
from dfedge_server.heavy.sandbox import Conversation

SAMPLINGS = frozenset({"even", "scene", "fast", "live"})


@dataclass(slots=True)
class Facts:
    """What is known of a source once all of it has been seen.

    Attributes:
        frames_sampled: frames that were looked at, with a face or not.
        empty_pts_seconds: times of frames without a face that were looked at elsewhere.
    """

    info: MediaInfo
    sampling: str
    frames_sampled: int
    problems: tuple[str, ...] = ()
    decode_seconds: float = 0.0
    faces_seconds: float = 0.0
    empty_pts_seconds: tuple[float, ...] = ()

    def with_empty(self, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """The records with those of frames that were found empty elsewhere, in order of time."""
        seen = {record.pts_seconds for record in records}
        empty = [FrameRecord(pts, ()) for pts in self.empty_pts_seconds if pts not in seen]
        return sorted([*records, *empty], key=lambda record: record.pts_seconds)


class FrameSource(Protocol):
    """Gives frames once, and then the facts.

    Attributes:
        total: frames there will be, None while unknown.
    """

    total: int | None

    def frames(self) -> Iterator[FoundFrame]:
        """The frames in order of time; raises MediaError."""

    def facts(self) -> Facts:
        """What is known; after the frames."""


def clip_scale(cards: Sequence[DetectorCard]) -> float:
    """Side of what must be cut about a face for all of these models, in sides of its box."""
    return max([CROP_SCALE, *(1 + 2 * card.crop.margin for card in cards)])


def takes_crops(card: DetectorCard) -> bool:
    """Whether a model can judge the crops that devices send."""
    return card.crop.box_source != WHOLE_FRAME and 1 + 2 * card.crop.margin <= CROP_SCALE


class ClipSource:
    """A clip or a picture that the process looks at."""

    def __init__(
        self,
        talk: Conversation,
        request: OpenClip,
        cards: Sequence[DetectorCard],
        *,
        name: str,
    ) -> None:
        self.total: int | None = None
        self._cards = cards
        self._talk = talk
        self._name = name
        self._sampling = request.sampling
        self._sampled = 0
        self._end = End()

    def frames(self) -> Iterator[FoundFrame]:
        """The frames in order of time."""
        while not isinstance(answer := self._talk.next(), End):
            if not isinstance(answer, FrameSeen):
                raise _nonsense(self._name)
            self.total = answer.total
            self._sampled += 1
            yield self._found(answer)
        self._end = answer

    def facts(self) -> Facts:
        """What is known; after the frames."""
        end = self._end
        info = MediaInfo(self._name, end.kind, end.width, end.height, end.duration_seconds)
        return Facts(
            info=info,
            sampling=self._sampling,
            frames_sampled=self._sampled,
            problems=end.problems,
            decode_seconds=end.decode_seconds,
            faces_seconds=end.faces_seconds,
        )

    def _found(self, seen: FrameSeen) -> FoundFrame:
        patches = [
            Patch(
                self._talk.pixels(part.width, part.height),
                part.left,
                part.top,
                seen.width,
                seen.height,
            )
            for part in seen.regions
        ]
        faces = tuple(
            (
                TrackedFace(face.track_id, Face(Box(*face.box), face.score, ())),
                patches[face.region],
            )
            for face in seen.faces
        )
        for face, _ in faces:
            _check_size(face.face.box, self._cards, self._name)
        return FoundFrame(seen.index, seen.pts_seconds, faces)


class CropSource:
    """Pictures of faces that a device sent.

    Args:
        cards: of the models that will judge them.

    Raises:
        MediaFormatError: the manifest contradicts itself.
    """

    def __init__(self, submission: Submission, cards: Sequence[DetectorCard], *, name: str) -> None:
        _check(submission, name)
        self._submission = submission
        self._cards = cards
        self._name = name
        self._talk: Conversation | None = None
        self._end = End()
        self._frames = _by_frame(submission.crops)
        self.total: int | None = len(self._frames)

    def request(self, media: Mapping[str, Path]) -> OpenPictures:
        """What to ask the process, the pictures in order of time."""
        missing = [crop.part for crop in self._submission.crops if crop.part not in media]
        if missing:
            raise MediaFormatError(self._name, f"the picture {missing[0]} was not sent")
        return OpenPictures(
            files=tuple(
                (str(media[crop.part]), crop.frame_width - crop.left, crop.frame_height - crop.top)
                for crops in self._frames
                for crop in crops
            )
        )

    def listen(self, talk: Conversation) -> None:
        """Where the answers come from."""
        self._talk = talk

    def frames(self) -> Iterator[FoundFrame]:
        """The frames in order of time."""
        assert self._talk is not None
        for crops in self._frames:
            faces = []
            pixels = 0
            for crop in crops:
                answer = self._talk.next()
                if not isinstance(answer, PictureSeen):
                    raise _nonsense(self._name)
                pixels += answer.width * answer.height
                if pixels > MAX_PIXELS:
                    raise MediaLimitError(self._name, "sends too many pixels of one frame")
                image = self._talk.pixels(answer.width, answer.height)
                patch = Patch(image, crop.left, crop.top, crop.frame_width, crop.frame_height)
                face = Face(Box(*crop.box), crop.detection_score, ())
                self._check_patch(crop, face.box, patch)
                faces.append((TrackedFace(crop.track_id, face), patch))
            yield FoundFrame(crops[0].frame_index, round(crops[0].pts_seconds, 6), tuple(faces))
        answer = self._talk.next()
        if not isinstance(answer, End):
            raise _nonsense(self._name)
        self._end = answer

    def facts(self) -> Facts:
        """What is known, much of it as the device tells."""
        crops, device = self._submission.crops, self._submission.device_verdict
        source = None if device is None else device.source
        empty = () if device is None else _empty_times(device)
        seen = {round(crop.pts_seconds, 6) for crop in crops} | set(empty)
        info = MediaInfo(
            self._name,
            "frames" if source is None else source.kind,
            crops[0].frame_width,
            crops[0].frame_height,
            None if source is None else source.duration_seconds,
        )
        return Facts(
            info=info,
            sampling=source.sampling if source and source.sampling in SAMPLINGS else "device",
            frames_sampled=max(self._submission.frames_sampled, len(seen)),
            decode_seconds=self._end.decode_seconds,
            empty_pts_seconds=empty,
        )

    def _check_patch(self, crop: Crop, box: Box, patch: Patch) -> None:
        """Every model must find what it looks at; padding in its place would change its number."""
        area = patch.box
        if not (
            box.left < area.right
            and box.right > area.left
            and box.top < area.bottom
            and box.bottom > area.top
        ):
            raise MediaFormatError(self._name, f"the picture {crop.part} does not show its face")
        _check_size(box, self._cards, self._name)
        for card in self._cards:
            if not patch.shows(crop_box(box, card.crop)):
                raise MediaFormatError(
                    self._name,
                    f"the picture {crop.part} shows too little around the face for {card.name}: "
                    f"cut {CROP_SCALE:g} times the longer side of its box, inside the frame",
                )


def _check_size(box: Box, cards: Sequence[DetectorCard], name: str) -> None:
    """No model may need memory without bound, though most of what it looks at is padding."""
    for card in cards:
        side = max(box.width, box.height) * (1 + 2 * card.crop.margin)
        if side * side > MAX_PIXELS:
            raise MediaLimitError(
                name,
                f"shows a face so large that {card.name} would look at {side:.0f} pixels a side; "
                "make it smaller first",
            )


def _check(submission: Submission, name: str) -> None:
    """What the types cannot say of crops."""
    if not submission.crops:
        raise MediaFormatError(name, "sends no picture of a face")
    frames: dict[int, tuple[float, int, int]] = {}
    faces: set[tuple[int, int]] = set()
    for crop in submission.crops:
        left, top, right, bottom = crop.box
        if not (
            all(map(math.isfinite, crop.box))
            and 0 < right - left <= 16384
            and 0 < bottom - top <= 16384
        ):
            raise MediaFormatError(name, f"the box of {crop.part} is no box")
        if crop.left >= crop.frame_width or crop.top >= crop.frame_height:
            raise MediaFormatError(name, f"the picture {crop.part} lies outside its frame")
        frame = (crop.pts_seconds, crop.frame_width, crop.frame_height)
        if frames.setdefault(crop.frame_index, frame) != frame:
            raise MediaFormatError(
                name, f"frame {crop.frame_index} is told of with two times or sizes"
            )
        if (crop.frame_index, crop.track_id) in faces:
            raise MediaFormatError(
                name, f"frame {crop.frame_index} shows track {crop.track_id} twice"
            )
        faces.add((crop.frame_index, crop.track_id))


def _by_frame(crops: Sequence[Crop]) -> list[list[Crop]]:
    """The crops of each frame, in order of time; within a frame in the order sent."""

    def moment(crop: Crop) -> tuple[float, int]:
        return crop.pts_seconds, crop.frame_index

    return [list(group) for _, group in groupby(sorted(crops, key=moment), key=moment)]


def _empty_times(device: Verdict) -> tuple[float, ...]:
    """When the device saw no face; at most as many as it may have looked at."""
    points = device.timeline[:1000]
    return tuple(round(point.pts_seconds, 6) for point in points if point.fake_probability is None)


def _nonsense(name: str) -> MediaFormatError:
    return MediaFormatError(name, "made the process that opens it say nonsense")
