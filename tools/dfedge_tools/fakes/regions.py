"""Face regions as soft masks, drawn from key points.

BlazeFace gives six points. For them outlines are given once, in a face frame: the origin between
the eyes, x along the eyes with the eyes at -0.5 and 0.5, y down with the mouth at 1.05. An affine
map from both eyes and the mouth puts them on a picture, so a turned head narrows its outline.
Where a store has the 68 points of iBUG's mark-up (or the 81 that add the forehead), the outline is
the convex hull of those of the region. Vertices are jittered, since no two programs cut a face
alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from dfedge_tools.fakes.config import Region

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

HULLS: Final[dict[Region, tuple[int, ...]]] = {
    "face": tuple(range(27)),
    "forehead": (*range(27), *range(68, 81)),
    "inner": tuple(range(17, 68)),
    "lower": (*range(3, 14), *range(31, 36)),
    "mouth": tuple(range(48, 68)),
    "eyes": (*range(17, 27), *range(36, 48)),
    "half": (*range(9), *range(17, 22), 27, 28, 29, 30, 33, 51, 57),
}
"""Points of each region among the 68 or 81; those a store does not have are left out."""

_MIRRORED_68: Final = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    *range(45, 41, -1), 47, 46, *range(39, 35, -1), 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
_MIRRORED_6: Final = (1, 0, 2, 3, 5, 4)

_ANCHORS: Final = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, 1.05)], np.float32)


def region_mask(
    keypoints: Sequence[float],
    size: tuple[int, int],
    region: Region,
    *,
    rng: np.random.Generator,
    jitter: float,
    softness_pixels: float,
    bend_pixels: float = 0.0,
) -> Mask:
    """Soft mask of a region on a picture of `size` = (height, width).

    Args:
        keypoints: Six points, or 68, or 81: x0, y0, x1, ..., in pixels of the picture.
        size: Height and width of the mask.
        region: Which outline.
        rng: Draws the jitter.
        jitter: Standard deviation of a vertex, in distances between the eyes.
        softness_pixels: Sigma of the soft edge, which lies inside and outside the outline alike.
        bend_pixels: Size of an elastic deformation of the outline; less for a small region.
    """
    height, width = size
    frame = face_frame(keypoints)
    outline = _outline(keypoints, region, frame)
    if region == "half" and rng.random() < 0.5:
        outline = outline * np.array([-1, 1], np.float32)
    outline = outline + rng.normal(0, jitter, outline.shape).astype(np.float32)
    outline = outline * rng.uniform(0.92, 1.08, 2).astype(np.float32)
    points = outline @ frame[:, :2].T + frame[:, 2]
    polygon = _bent(_rounded(points), bend_pixels, rng)
    canvas = np.zeros((height, width), np.float32)
    far = 16.0 * 4 * max(height, width)
    corners = np.clip(np.round(polygon * 16), -far, far).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 1.0, cv2.LINE_8, 4)
    if softness_pixels > 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), softness_pixels), np.float32)
    return np.clip(canvas, 0, 1)


def face_frame(keypoints: Sequence[float]) -> npt.NDArray[np.float32]:
    """2 x 3 affine from the face frame to pixels."""
    points = six_points(keypoints)
    picture = np.stack([points[0], points[1], points[3]])
    return np.asarray(cv2.getAffineTransform(_ANCHORS, picture), np.float32)


def six_points(keypoints: Sequence[float]) -> npt.NDArray[np.float32]:
    """(6, 2): eyes, nose, mouth and ears as BlazeFace has them, of 6, 68 or 81 points."""
    points = np.asarray(keypoints, np.float32).reshape(-1, 2)
    if len(points) == 6:
        return points
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.stack([*eyes, points[30], points[48:68].mean(axis=0), points[0], points[16]])


def mirrored(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Points (n, 2) of a mirrored picture in the order of their names: left is left again."""
    if len(points) == 6:
        return points[list(_MIRRORED_6)]
    return np.concatenate([points[list(_MIRRORED_68)], points[68:]])


def _outline(
    keypoints: Sequence[float], region: Region, frame: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, 2) in the face frame."""
    points = np.asarray(keypoints, np.float32).reshape(-1, 2)
    area = float(np.linalg.det(frame[:, :2]))
    if len(points) == 6 or abs(area) < 1e-3:
        return np.array(OUTLINES[region], np.float32)
    chosen = points[[n for n in HULLS[region] if n < len(points)]]
    hull = np.asarray(cv2.convexHull(chosen), np.float32).reshape(-1, 2)
    return np.asarray((hull - frame[:, 2]) @ np.linalg.inv(frame[:, :2]).T, np.float32)


def _bent(
    points: npt.NDArray[np.float32], amount: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """An elastic deformation: a few waves of random direction, length and phase."""
    if amount <= 0:
        return points
    extent = max(float(np.ptp(points, axis=0).max()), 1.0)
    waves = rng.normal(0, 2 * np.pi / extent, (4, 2))
    pushes = rng.normal(0, min(amount, 0.05 * extent) / 2, (4, 2))
    phases = rng.uniform(0, 2 * np.pi, 4)
    bent = points + np.sin(points @ waves.T + phases) @ pushes
    return np.asarray(bent, np.float32)


def _rounded(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Corners cut twice (Chaikin), so that a jittered outline stays a smooth one."""
    for _ in range(2):
        following = np.roll(points, -1, axis=0)
        near = 0.75 * points + 0.25 * following
        far = 0.25 * points + 0.75 * following
        points = np.stack([near, far], axis=1).reshape(-1, 2)
    return points
