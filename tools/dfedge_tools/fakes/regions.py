"""Face regions as soft masks, drawn from BlazeFace's six key points.

Outlines are given once, in a face frame: the origin between the eyes, x along the eyes with the
eyes at -0.5 and 0.5, y down with the mouth at 1.05. An affine map from both eyes and the mouth puts
them on a picture, so a turned head narrows its outline. Vertices are jittered, since no two
programs cut a face alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Region = Literal["face", "forehead", "inner", "lower", "mouth", "eyes", "half"]
Mask: TypeAlias = npt.NDArray[np.float32]
"""(height, width), 0 outside to 1 inside."""

_JAW: Final = (
    (-1.00, 0.05), (-0.98, 0.45), (-0.88, 0.90), (-0.68, 1.32), (-0.36, 1.62), (0.0, 1.72),
    (0.36, 1.62), (0.68, 1.32), (0.88, 0.90), (0.98, 0.45), (1.00, 0.05),
)  # fmt: skip
_BROWS: Final = ((0.86, -0.34), (0.45, -0.50), (0.0, -0.42), (-0.45, -0.50), (-0.86, -0.34))
_FOREHEAD: Final = ((0.95, -0.45), (0.6, -0.95), (0.0, -1.12), (-0.6, -0.95), (-0.95, -0.45))

OUTLINES: Final[dict[Region, tuple[tuple[float, float], ...]]] = {
    "face": (*_JAW, *_BROWS),
    "forehead": (*_JAW, *_FOREHEAD),
    "inner": (
        (-0.78, 0.10), (-0.70, 0.60), (-0.52, 1.10), (-0.25, 1.38), (0.25, 1.38), (0.52, 1.10),
        (0.70, 0.60), (0.78, 0.10), (0.72, -0.30), (0.35, -0.42), (-0.35, -0.42), (-0.72, -0.30),
    ),
    "lower": (
        (-0.85, 0.50), (-0.80, 0.95), (-0.62, 1.32), (-0.36, 1.58), (0.0, 1.68), (0.36, 1.58),
        (0.62, 1.32), (0.80, 0.95), (0.85, 0.50), (0.35, 0.55), (0.0, 0.62), (-0.35, 0.55),
    ),
    "mouth": (
        (-0.52, 1.05), (-0.40, 1.28), (0.0, 1.40), (0.40, 1.28), (0.52, 1.05), (0.35, 0.82),
        (0.0, 0.76), (-0.35, 0.82),
    ),
    "eyes": (
        (-0.88, 0.0), (-0.60, 0.28), (-0.20, 0.25), (0.20, 0.25), (0.60, 0.28), (0.88, 0.0),
        (0.80, -0.32), (0.40, -0.45), (-0.40, -0.45), (-0.80, -0.32),
    ),
    "half": (
        (-1.00, 0.05), (-0.98, 0.45), (-0.88, 0.90), (-0.68, 1.32), (-0.36, 1.62), (0.0, 1.72),
        (0.05, 1.1), (0.0, 0.5), (0.0, -0.42), (-0.45, -0.50), (-0.86, -0.34),
    ),
}  # fmt: skip

_ANCHORS: Final = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, 1.05)], np.float32)


def region_mask(
    keypoints: Sequence[float],
    size: tuple[int, int],
    region: Region,
    *,
    rng: np.random.Generator,
    jitter: float,
    softness_pixels: float,
) -> Mask:
    """Soft mask of a region on a picture of `size` = (height, width).

    Args:
        keypoints: Six points, x0, y0, x1, ..., in pixels of the picture.
        size: Height and width of the mask.
        region: Which outline.
        rng: Draws the jitter.
        jitter: Standard deviation of a vertex, in distances between the eyes.
        softness_pixels: Sigma of the soft edge, which lies inside and outside the outline alike.
    """
    height, width = size
    outline = np.array(OUTLINES[region], np.float32)
    if region == "half" and rng.random() < 0.5:
        outline = outline * np.array([-1, 1], np.float32)
    outline = outline + rng.normal(0, jitter, outline.shape).astype(np.float32)
    outline = outline * rng.uniform(0.92, 1.08, 2).astype(np.float32)
    points = outline @ face_frame(keypoints)[:, :2].T + face_frame(keypoints)[:, 2]
    canvas = np.zeros((height, width), np.float32)
    polygon = _rounded(points)
    cv2.fillPoly(canvas, [np.round(polygon * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    if softness_pixels > 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), softness_pixels), np.float32)
    return np.clip(canvas, 0, 1)


def face_frame(keypoints: Sequence[float]) -> npt.NDArray[np.float32]:
    """2 x 3 affine from the face frame to pixels."""
    points = np.asarray(keypoints, np.float32).reshape(-1, 2)
    picture = np.stack([points[0], points[1], points[3]])
    return np.asarray(cv2.getAffineTransform(_ANCHORS, picture), np.float32)


def _rounded(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Corners cut twice (Chaikin), so that a jittered outline stays a smooth one."""
    for _ in range(2):
        following = np.roll(points, -1, axis=0)
        near = 0.75 * points + 0.25 * following
        far = 0.25 * points + 0.75 * following
        points = np.stack([near, far], axis=1).reshape(-1, 2)
    return points
