"""The values that travel from media to verdict: frames, boxes, faces, tracks.

Pictures are ``uint8`` RGB arrays of shape (height, width, 3), upright. Boxes are in pixels of their
frame, half-open: ``[left, right) x [top, bottom)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""RGB picture, (height, width, 3), 0 to 255."""

Tensor: TypeAlias = npt.NDArray[np.float32]
"""Input or output of a model; the docstring that uses it gives the shape."""

KEYPOINT_NAMES = ("right_eye", "left_eye", "nose_tip", "mouth_center", "right_ear", "left_ear")
"""BlazeFace's six key points in its order; right and left are the person's own."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its frame, half-open; it may reach past the frame's edge."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.right > self.left and self.bottom > self.top):
            raise ValueError(f"a box needs right > left and bottom > top, got {self!r}")

    @property
    def width(self) -> float:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        return intersection / (self.area + other.area - intersection)

    def scaled(self, factor: float) -> Box:
        """The same box in a frame whose sides are ``factor`` times as long."""
        return Box(self.left * factor, self.top * factor, self.right * factor, self.bottom * factor)

    def shifted(self, dx: float, dy: float) -> Box:
        """The same box moved by (dx, dy) pixels."""
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of a source.

    Attributes:
        image: RGB ``uint8``, (height, width, 3), upright.
        index: number of the frame in its source, from 0; of the sample when that is unknown.
        pts_seconds: presentation time from the start of the source, in seconds.
        scene: number of the scene the frame belongs to, from 0 (always 0 where scenes are not cut).
    """

    image: Image
    index: int
    pts_seconds: float
    scene: int = 0

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                "a frame is uint8 of shape (height, width, 3), "
                f"got {self.image.dtype} {self.image.shape}"
            )

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.image.shape[0])

    def __repr__(self) -> str:
        return (
            f"Frame(index={self.index}, pts_seconds={self.pts_seconds:.3f}, "
            f"size={self.width}x{self.height}, scene={self.scene})"
        )


@dataclass(frozen=True, slots=True)
class Face:
    """One face found in a frame.

    Attributes:
        box: in pixels of the frame.
        score: detector's confidence, 0 to 1.
        keypoints: six (x, y) points in pixels, in the order of :data:`KEYPOINT_NAMES`.
    """

    box: Box
    score: float
    keypoints: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face with the track (the person) it belongs to.

    Attributes:
        track_id: number of the track, from 0 in order of first appearance.
    """

    track_id: int
    face: Face
