"""The mask of a fake: a region, bent, grown or shrunk, and softened.

After the masks of Shiohara and Yamasaki (CVPR 2022): an elastic deformation, then two blurs with a
threshold between them, which grows or shrinks the region, and the second of which makes the edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from dfedge_tools.fakes.config import Region
from dfedge_tools.fakes.regions import Mask, region_mask

MIN_AREA = 0.004
"""Share of the picture below which a region was missed: key points may lie outside the picture."""


def draw_mask(
    keypoints: Sequence[float],
    size: tuple[int, int],
    region: Region,
    *,
    rng: np.random.Generator,
    softness: tuple[float, float],
) -> Mask:
    """A deformed soft mask of a region, (height, width), 0 to 1; never empty.

    `softness` bounds the sigma of the edge, in widths of the picture. Where the key points put
    the region outside the picture, an ellipse in the middle stands for it.
    """
    width = size[1]
    mask = region_mask(
        keypoints,
        size,
        region,
        rng=rng,
        jitter=0.05,
        softness_pixels=0.0,
        bend_pixels=width * rng.uniform(0.0, 0.018),
    )
    if mask.mean() < MIN_AREA:
        mask = _ellipse(size)
    if rng.random() < 0.6:
        mask = _resized(mask, width * rng.uniform(0.005, 0.022), threshold=rng.uniform(0.2, 0.8))
    return soften(mask, width * rng.uniform(*softness))


def soften(mask: Mask, sigma: float) -> Mask:
    """Gaussian blur; a wide one is done at half the size, which looks the same and is quicker."""
    if sigma < 0.3:
        return mask
    height, width = mask.shape
    if sigma < 3 or min(height, width) < 32:
        soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    else:
        half = cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma / 2), (width, height))
    return np.clip(soft, 0, 1)


def _resized(mask: Mask, sigma: float, *, threshold: float) -> Mask:
    """Grown (a threshold below one half) or shrunk (above), unless nothing would be left."""
    hard = (soften(mask, sigma) > threshold).astype(np.float32)
    return hard if hard.mean() >= MIN_AREA else mask


def _ellipse(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    height, width = size
    canvas = np.zeros(size, np.float32)
    axes = (max(1, round(width * 0.28)), max(1, round(height * 0.36)))
    cv2.ellipse(canvas, (width // 2, height // 2), axes, 0, 0, 360, 1.0, -1)
    return canvas
