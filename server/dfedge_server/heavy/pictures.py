"""The pictures kept behind a verdict: faces, heat maps, and a strip of each person's faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from dfedge.analysis import Evidence
from dfedge.evidence import JPEG_QUALITY
from dfedge.types import Image
from dfedge.verdict import TrackVerdict
from dfedge_server.heavy.result import EvidencePicture

MAX_PEOPLE: Final = 8
"""The most suspicious people get pictures; a crowd is not kept."""
STRIP_SIDE: Final = 96
"""Side of a face in a strip, pixels."""

_JPEG: Final = "image/jpeg"


def pictures(
    evidence: Sequence[Evidence], tracks: Sequence[TrackVerdict], *, model: str
) -> tuple[EvidencePicture, ...]:
    """All pictures of the most suspicious people, by person and time, the strip first.

    Args:
        evidence: by track and time.
        model: whose heat maps are among them.
    """
    worst = sorted(tracks, key=lambda track: (-track.fake_probability, track.track_id))
    kept: list[EvidencePicture] = []
    for track_id in sorted(track.track_id for track in worst[:MAX_PEOPLE]):
        faces = [item for item in evidence if item.track_id == track_id]
        if faces:
            kept.append(EvidencePicture("strip", _strip(faces), _JPEG, track_id))
        for item in faces:
            kept += _of_face(item, model)
    return tuple(kept)


def _of_face(item: Evidence, model: str) -> list[EvidencePicture]:
    face = EvidencePicture(
        "face", item.jpeg, _JPEG, item.track_id, item.frame_index, item.pts_seconds
    )
    if item.heat_jpeg is None:
        return [face]
    heat = EvidencePicture(
        "heat", item.heat_jpeg, _JPEG, item.track_id, item.frame_index, item.pts_seconds, model
    )
    return [face, heat]


def _strip(faces: Sequence[Evidence]) -> bytes:
    """All faces of a person side by side, squares on black, as JPEG."""
    strip: Image = np.zeros((STRIP_SIDE, STRIP_SIDE * len(faces), 3), np.uint8)
    for number, item in enumerate(faces):
        picture = cv2.imdecode(np.frombuffer(item.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None, "it was encoded here"
        height, width = picture.shape[:2]
        factor = STRIP_SIDE / max(height, width)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        top, left = (STRIP_SIDE - size[1]) // 2, (STRIP_SIDE - size[0]) // 2
        left += number * STRIP_SIDE
        strip[top : top + size[1], left : left + size[0]] = small
    done, data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes any 8-bit picture as JPEG"
    return np.asarray(data).tobytes()
