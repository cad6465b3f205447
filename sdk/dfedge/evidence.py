"""The pictures behind a verdict: faces cut from the frames, and heat maps of the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from dfedge.analysis import Evidence
from dfedge.crops import CropBox, Patch
from dfedge.models import Kept, Models
from dfedge.saliency import map_to_view, occlusion_map, overlay
from dfedge.types import Image, Tensor, TrackedFace

EVIDENCE_SIDE = 160
"""Longest side of an evidence picture, pixels."""
EVIDENCE_PER_TRACK = 12
EVIDENCE_SCALE = 1.8
"""Side of an evidence picture in face boxes: the face with hair, chin and some background."""
JPEG_QUALITY = 85

WEAK_HEAT = 0.5
"""Calibrated log-odds; a map that nowhere reaches this stays pale. From 50%, it is up to 62%."""


@dataclass(frozen=True, slots=True)
class View:
    """An evidence picture and the part of the frame it shows, in pixels of the frame."""

    evidence: Evidence
    region: CropBox


def cut_view(patch: Patch, tracked: TrackedFace, frame_index: int, pts_seconds: float) -> View:
    """Cut the face with its surroundings, kept inside the patch, and shrink it."""
    box, within = tracked.face.box, patch.box
    center_x, center_y = box.center
    half = EVIDENCE_SCALE * max(box.width, box.height) / 2
    left, right = (
        max(within.left, int(center_x - half)),
        min(within.right, int(center_x + half) + 1),
    )
    top, bottom = (
        max(within.top, int(center_y - half)),
        min(within.bottom, int(center_y + half) + 1),
    )
    left, top = min(left, within.right - 1), min(top, within.bottom - 1)
    region = CropBox(left, top, max(right, left + 1), max(bottom, top + 1))
    picture = patch.visible(region)
    factor = min(1.0, EVIDENCE_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    evidence = Evidence(
        track_id=tracked.track_id,
        frame_index=frame_index,
        pts_seconds=pts_seconds,
        jpeg=_encode(np.asarray(small, np.uint8)),
        box=box.shifted(-left, -top).scaled(factor),
    )
    return View(evidence, region)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A scored face that may get a heat map.

    Attributes:
        crop_box: the part of the frame the model saw.
        crop: what it saw there.
    """

    logit: float
    view: View
    crop_box: CropBox
    crop: Kept


class Suspects:
    """The ``most`` usable faces of each track that score highest, with all a heat map needs.

    Kept for every track, since whose verdict decides is known at the end only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_track: dict[int, list[Suspect]] = {}

    def offer(self, track_id: int, suspect: Suspect) -> None:
        """Offer a face; of equal scores the earlier one stays."""
        highest = self._by_track.setdefault(track_id, [])
        highest.append(suspect)
        highest.sort(key=lambda suspect: -suspect.logit)
        del highest[self._most :]

    def of(self, track_id: int) -> list[Suspect]:
        """Those of a track, in order of time."""
        return sorted(
            self._by_track.get(track_id, []), key=lambda suspect: suspect.view.evidence.frame_index
        )


def with_heat(
    suspects: list[Suspect], models: Models, done: Callable[[int], None]
) -> Iterator[Evidence]:
    """The evidence of the suspects with a heat map each; the maps share one scale.

    Args:
        done: told after each map how many there are.
    """
    maps: list[Tensor] = []
    for suspect in suspects:
        heat = occlusion_map(models.log_odds, models.inputs([suspect.crop])[0], batch=models.batch)
        maps.append(heat / np.float32(models.card.decision.calibration.temperature))
        done(len(maps))
    peak = max([WEAK_HEAT, *(float(heat.max()) for heat in maps)])
    for suspect, heat in zip(suspects, maps, strict=True):
        evidence = suspect.view.evidence
        picture = _decode(evidence.jpeg)
        size = (picture.shape[0], picture.shape[1])
        moved = map_to_view(
            heat,
            suspect.crop_box,
            suspect.view.region,
            size,
            resize=models.card.crop.resize,
        )
        yield replace(evidence, heat_jpeg=_encode(overlay(picture, moved, peak=peak)))


def _encode(picture: Image) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    assert done, "OpenCV encodes any 8-bit picture as JPEG"
    return data.tobytes()


def _decode(jpeg: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "it was encoded here"
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
