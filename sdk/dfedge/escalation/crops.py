"""The pictures of faces that are sent: kept while the frames pass by, encoded only when needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from dfedge.crops import CropBox, visible
from dfedge.escalation.wire import CROP_SCALE, MAX_CROPS, Crop
from dfedge.frame_scorers import Seen
from dfedge.spread import Spread
from dfedge.types import Box, Frame, Image, TrackedFace

CROPS_PER_TRACK: Final = 32
"""Pictures of one person, spread over the source; at least half of them where it has more."""

MAX_SENT_BYTES: Final = 64 * 1024**2
"""Encoded pictures in one submission."""

MAX_CROP_BYTES: Final = 16 * 1024**2
"""One encoded picture; servers refuse larger ones unless told otherwise."""

MAX_HELD_BYTES: Final = 384 * 1024**2
"""Pixels that wait for the verdict: 20 frames of a face that fills a 4K picture."""

PNG_LEVEL: Final = 3
"""176 kB and 15 ms for a crop of 437 x 437 (mean of 24); lossless WebP is 117 kB and 123 ms."""


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """One face with what is around it, as pixels.

    Attributes:
        pixels: (height, width, 3), RGB, a copy.
        left, top: where they lie in the frame.
        box: the face, in pixels of the frame, as the detector found it.
    """

    track_id: int
    frame_index: int
    pts_seconds: float
    frame_width: int
    frame_height: int
    left: int
    top: int
    box: Box
    detection_score: float
    pixels: Image = field(repr=False)

    def described(self, part: str) -> Crop:
        """What the manifest says of it."""
        box = self.box
        return Crop(
            part=part,
            track_id=self.track_id,
            frame_index=self.frame_index,
            pts_seconds=self.pts_seconds,
            frame_width=self.frame_width,
            frame_height=self.frame_height,
            left=self.left,
            top=self.top,
            box=(box.left, box.top, box.right, box.bottom),
            detection_score=min(max(self.detection_score, 0.0), 1.0),
        )


class FaceCrops:
    """Keeps crops of the usable faces of one source, for the case that its verdict is unsure.

    Give :meth:`watch` to a pipeline. What is kept is bounded, however long the source.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, Spread[FaceCrop]] = {}

    def watch(self, frame: Frame, seen: Seen) -> None:
        """Keep the usable faces of a frame."""
        for sighting in seen.sightings:
            if sighting.issues:
                continue
            region = sent_region(sighting.tracked.face.box, frame.width, frame.height)
            if region is not None:
                track = self._tracks.setdefault(sighting.tracked.track_id, Spread(CROPS_PER_TRACK))
                track.offer(partial(_cut, frame, sighting.tracked, region, seen.pts_seconds))
        while (held := self._held_bytes()) > MAX_HELD_BYTES:
            largest = max(self._tracks.values(), key=_bytes_of)
            largest.thin()
            if self._held_bytes() == held:
                break  # one crop each: the limits on a frame bound them

    def of(self, track_ids: Sequence[int]) -> list[FaceCrop]:
        """The crops of these people, theirs together; of each first some from all of its time, then
        those between, so that a limit met halfway leaves no part of the source out.
        """
        chosen: list[FaceCrop] = []
        for track_id in track_ids:
            if (track := self._tracks.get(track_id)) is not None:
                chosen += [*track.items[::4], *track.items[2::4], *track.items[1::2]]
        return chosen

    def _held_bytes(self) -> int:
        return sum(map(_bytes_of, self._tracks.values()))


def sent_region(box: Box, width: int, height: int) -> CropBox | None:
    """The whole pixels of a frame that are sent for a face; None where nothing of it is inside.

    A square about the centre of the box, its side :data:`CROP_SCALE` of the longer one, rounded
    outwards, clipped to the frame.
    """
    half = CROP_SCALE * max(box.width, box.height) / 2
    (center_x, center_y) = box.center
    left, top = max(0, math.floor(center_x - half)), max(0, math.floor(center_y - half))
    right = min(width, math.ceil(center_x + half))
    bottom = min(height, math.ceil(center_y + half))
    return CropBox(left, top, right, bottom) if right > left and bottom > top else None


def encode(crops: Sequence[FaceCrop]) -> tuple[tuple[Crop, ...], dict[str, bytes]]:
    """What the manifest says of the crops, by person and time, and the PNG of each part.

    Those that come first are taken, as far as the limits on number and bytes allow.
    """
    chosen: list[tuple[FaceCrop, bytes]] = []
    left = MAX_SENT_BYTES
    for crop in crops[:MAX_CROPS]:
        data = _png(crop.pixels)
        if len(data) <= min(left, MAX_CROP_BYTES):
            left -= len(data)
            chosen.append((crop, data))
    chosen.sort(key=lambda item: (item[0].track_id, item[0].frame_index))
    named = {f"crop-{number:03d}": item for number, item in enumerate(chosen)}
    described = tuple(crop.described(part) for part, (crop, _) in named.items())
    return described, {part: data for part, (_, data) in named.items()}


def _cut(frame: Frame, tracked: TrackedFace, region: CropBox, pts_seconds: float) -> FaceCrop:
    return FaceCrop(
        track_id=tracked.track_id,
        frame_index=frame.index,
        pts_seconds=pts_seconds,
        frame_width=frame.width,
        frame_height=frame.height,
        left=region.left,
        top=region.top,
        box=tracked.face.box,
        detection_score=tracked.face.score,
        pixels=visible(frame.image, region).copy(),
    )


def _bytes_of(track: Spread[FaceCrop]) -> int:
    return sum(crop.pixels.nbytes for crop in track.items)


def _png(pixels: Image) -> bytes:
    import cv2

    options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    assert done, "OpenCV encodes any 8-bit picture as PNG"
    return np.asarray(data).tobytes()
