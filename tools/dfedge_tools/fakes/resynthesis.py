"""What a generator does to the texture of a face: little is gone, something regular is added.

No generator is at hand, so its traces are made singly: a face worked out at a low resolution and
sharpened up again, skin smoothed while edges stay, fine detail damped, the grid of an upsampling
layer (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016), a compressed
intermediate picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.codecs import jpeg
from dfedge_tools.fakes.config import pick
from dfedge_tools.fakes.mismatch import lower_resolution, sharpen

_SHARES = (
    ("low_resolution", 0.34),
    ("upsampled", 0.20),
    ("damped", 0.18),
    ("bilateral", 0.12),
    ("median", 0.08),
    ("jpeg", 0.08),
)


def resynthesize(image: Image, *, rng: np.random.Generator, strength: float) -> Image:
    """The picture as a generator would give it back; `strength` from 0 (faint) to 1 (plain)."""
    kind = pick(_SHARES, rng)
    if kind == "low_resolution":
        low = lower_resolution(image, rng.uniform(1.5, 2.0 + 1.2 * strength), rng=rng)
        return sharpen(low, rng.uniform(1.0, 2.0), rng.uniform(0.2, 0.9))
    if kind == "upsampled":
        return upsampled(image, rng=rng, amplitude=rng.uniform(0.015, 0.03 + 0.05 * strength))
    if kind == "damped":
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 2.2))
        share = rng.uniform(0.45, 0.65 + 0.35 * strength)
        return np.asarray(cv2.addWeighted(soft, share, image, 1 - share, 0), np.uint8)
    if kind == "bilateral":
        spread = rng.uniform(20, 30 + 30 * strength)
        return np.asarray(cv2.bilateralFilter(image, 7, spread, 3), np.uint8)
    if kind == "median":
        return np.asarray(cv2.medianBlur(image, 5), np.uint8)
    return jpeg(image, int(rng.integers(25, 75)))


def upsampled(image: Image, *, rng: np.random.Generator, amplitude: float) -> Image:
    """Worked out at half the size or less, then enlarged by a layer that leaves its grid.

    The grid is a pattern of 2 x 2 gains of mean 1 that differ by `amplitude`.
    """
    height, width = image.shape[:2]
    factor = rng.uniform(1.0, 1.6)
    columns, rows = max(4, round(width / factor / 2)), max(4, round(height / factor / 2))
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
    cell = rng.normal(0, amplitude, (2, 2, 3))
    cell += 1 - cell.mean(axis=(0, 1))
    gains = np.tile(cell.astype(np.float32), (rows, columns, 1))
    gridded = cv2.multiply(large, gains, dtype=cv2.CV_8U)
    back = cv2.resize(gridded, (width, height), interpolation=cv2.INTER_CUBIC)
    return sharpen(np.asarray(back, np.uint8), 1.5, rng.uniform(0.2, 0.8))
