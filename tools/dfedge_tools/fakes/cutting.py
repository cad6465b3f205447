"""Cutting a face out of a stored picture for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.regions import mirrored
from dfedge_tools.fakes.warps import Affine, warp_affine


def crop_matrix(
    box: tuple[float, float, float, float],
    *,
    scale: float,
    shift: tuple[float, float] = (0.0, 0.0),
    side: int,
    flip: bool = False,
) -> Affine:
    """2 x 3 affine from pixels of a stored picture to a square crop of `side` pixels."""
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    x = (left + right) / 2 + shift[0] * longer
    y = (top + bottom) / 2 + shift[1] * longer
    zoom = side / (scale * longer)
    across = -zoom if flip else zoom
    half = (side - 1) / 2
    return np.array(
        [[across, 0, half - across * (x - 0.5)], [0, zoom, half - zoom * (y - 0.5)]], np.float32
    )


def chain(first: Affine, second: Affine) -> Affine:
    """The 2 x 3 affine that does `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    offset = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)


def warp_crop(image: Image, matrix: Affine, side: int) -> Image:
    """Cut a square crop; what lies outside the picture is black."""
    return warp_affine(image, matrix, (side, side))


def move_keypoints(keypoints: Sequence[float], matrix: Affine) -> list[float]:
    """Key points x0, y0, x1, ... in a crop; a mirrored crop swaps left and right."""
    points = np.asarray(keypoints, np.float32).reshape(-1, 2)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    if np.linalg.det(matrix[:, :2]) < 0:
        moved = mirrored(moved)
    return [float(v) for v in moved.reshape(-1)]
