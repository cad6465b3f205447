"""Blending two pictures, and self-blended images: a fake made from one genuine picture.

After Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images" (CVPR 2022): two copies
of a picture are made to differ a little in colour, sharpness, noise and place, and one is blended
into the other inside a face region. A detector that tells the result from the picture must have
learned blending, not faces. The picture returned as genuine carries the same changes as
the background of the fake, so that the changes alone give nothing away.

`difficulty` runs from 0 (hard edges, strong mismatch, full blend) to 1 (the ranges of the paper
and weaker mismatches).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.config import FakeMix, Region, pick
from dfedge_tools.fakes.masks import draw_mask
from dfedge_tools.fakes.mismatch import mismatch
from dfedge_tools.fakes.regions import Mask
from dfedge_tools.fakes.warps import move

RATIOS: Final = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
"""Blend ratios of a hard fake, the paper's; an easy one uses 1."""


@dataclass(frozen=True, slots=True)
class Blend:
    """A genuine picture, the fake made of it, and where they differ.

    Attributes:
        real: (H, W, 3).
        fake: (H, W, 3), equal to `real` where `mask` is 0.
        mask: (H, W), the part of the fake that comes from the other copy, 0 to 1.
    """

    real: Image
    fake: Image
    mask: Mask


def self_blend(
    image: Image,
    keypoints: Sequence[float],
    *,
    rng: np.random.Generator,
    difficulty: float,
    regions: Sequence[tuple[Region, float]] = FakeMix().self_blend_regions,
) -> Blend:
    """Blend a changed copy of `image` into another one inside a face region."""
    height, width = image.shape[:2]
    easy = 1.0 - difficulty
    softness = (0.002, 0.006 + 0.040 * difficulty)
    mask = draw_mask(keypoints, (height, width), pick(regions, rng), rng=rng, softness=softness)
    changed = mismatch(image, rng=rng, strength=rng.uniform(0.5, 1.0) + 1.2 * easy)
    inside, outside = (changed, image) if rng.random() < 0.65 else (image, changed)
    inside, mask = move(inside, mask, rng=rng, strength=1.0 + 0.8 * easy)
    if rng.random() < 0.2 * difficulty:
        inside = harmonize(inside, outside, mask)
    ratio = draw_ratio(rng, difficulty)
    return Blend(real=outside, fake=blend(inside, outside, mask * ratio), mask=mask)


def blend(inside: Image, outside: Image, mask: Mask) -> Image:
    """``inside`` where the mask is 1, ``outside`` where it is 0, both shares in between."""
    share = np.ascontiguousarray(mask, np.float32)
    return np.asarray(cv2.blendLinear(inside, outside, share, 1 - share), np.uint8)


def draw_ratio(rng: np.random.Generator, difficulty: float) -> float:
    """How much of the inside shows: all of it, or for a hard fake one of `RATIOS`."""
    return float(rng.choice(RATIOS)) if rng.random() < difficulty else 1.0


def harmonize(inside: Image, outside: Image, mask: Mask) -> Image:
    """`inside` with its colours pulled to those of `outside` along the seam, so that it is hidden.

    What Poisson blending does (Perez et al., SIGGRAPH 2003): the difference of both along the seam
    is continued smoothly over the inside and taken away. Continued here by blurs at a quarter of
    the size, in a fortieth of the time that solving the equation takes.
    """
    height, width = mask.shape
    size = (max(2, width // 4), max(2, height // 4))
    gap = cv2.subtract(
        cv2.resize(outside, size, interpolation=cv2.INTER_AREA),
        cv2.resize(inside, size, interpolation=cv2.INTER_AREA),
        dtype=cv2.CV_32F,
    )
    known = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) < 0.05).astype(np.float32)
    near, far = size[0] * 0.04, size[0] * 0.16
    weight = cv2.GaussianBlur(known, (0, 0), near) + 0.02 * cv2.GaussianBlur(known, (0, 0), far)
    gap = np.asarray(gap, np.float32) * known[..., None]
    smooth = cv2.GaussianBlur(gap, (0, 0), near) + 0.02 * cv2.GaussianBlur(gap, (0, 0), far)
    small = np.asarray(smooth, np.float32) / (weight + 1e-4)[..., None]
    correction = cv2.resize(small, (width, height))
    return np.asarray(cv2.add(inside, correction, dtype=cv2.CV_8U), np.uint8)
