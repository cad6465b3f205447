"""Self-blended images: a fake made from one genuine picture.

After Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images" (CVPR 2022): two copies
of a picture are made to differ a little in colour, sharpness, noise and place, and one is blended
into the other inside a face region. A detector that tells the result from the picture must have
learned blending, not faces. The picture returned as genuine carries the same changes as
the background of the fake, so that the changes alone give nothing away.

`difficulty` runs from 0 (hard edges, strong mismatch, full blend) to 1 (the ranges of the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.regions import Mask, Region, region_mask

REGIONS: dict[Region, float] = {
    "face": 0.36,
    "forehead": 0.12,
    "inner": 0.14,
    "lower": 0.15,
    "mouth": 0.11,
    "eyes": 0.05,
    "half": 0.07,
}
"""How often each region is replaced."""

RATIOS = (0.5, 0.75, 1.0, 1.0, 1.0)
"""Blend ratios of a hard fake; an easy one uses 1."""


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
    image: Image, keypoints: Sequence[float], *, rng: np.random.Generator, difficulty: float
) -> Blend:
    """Blend a changed copy of `image` into another one inside a face region."""
    height, width = image.shape[:2]
    easy = 1.0 - difficulty
    names = list(REGIONS)
    region = names[int(rng.choice(len(names), p=np.array(list(REGIONS.values()))))]
    softness = width * rng.uniform(0.002, 0.006 + 0.040 * difficulty)
    mask = region_mask(
        keypoints, (height, width), region, rng=rng, jitter=0.06, softness_pixels=softness
    )
    changed = mismatch(image, rng=rng, strength=1.0 + 1.2 * easy)
    inside, outside = (changed, image) if rng.random() < 0.65 else (image, changed)
    inside, mask = move(inside, mask, rng=rng, strength=1.0 + 0.8 * easy)
    ratio = float(rng.choice(RATIOS)) if rng.random() < difficulty else 1.0
    return Blend(real=outside, fake=blend(inside, outside, mask * ratio), mask=mask)


def blend(inside: Image, outside: Image, mask: Mask) -> Image:
    """``inside`` where the mask is 1, ``outside`` where it is 0, both shares in between."""
    share = cv2.merge((mask, mask, mask))
    base = outside.astype(np.float32)
    mixed = base + (inside.astype(np.float32) - base) * share
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def mismatch(image: Image, *, rng: np.random.Generator, strength: float) -> Image:
    """A copy that differs in colour and in sharpness, as two cameras or a generator would."""
    out = _shift_colour(image, rng, strength)
    kind = rng.random()
    if kind < 0.40:
        out = _lower_resolution(out, rng, strength)
    elif kind < 0.60:
        sigma = rng.uniform(0.5, 0.6 + 0.7 * strength)
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), sigma), np.uint8)
    elif kind < 0.78:
        soft = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.8, 2.0))
        amount = rng.uniform(0.4, 1.0) * min(strength, 1.5)
        out = np.asarray(cv2.addWeighted(out, 1 + amount, soft, -amount, 0), np.uint8)
    elif kind < 0.90:
        out = jpeg(out, int(rng.integers(25, 80)))
    else:
        out = add_noise(out, rng.uniform(2, 5) * strength, rng)
    return out


def move(
    image: Image, mask: Mask, *, rng: np.random.Generator, strength: float
) -> tuple[Image, Mask]:
    """Shift, scale and turn the copy inside the mask; the mask goes along half of the time."""
    height, width = image.shape[:2]
    scale = rng.uniform(1 - 0.04 * strength, 1 + 0.04 * strength)
    turn = rng.normal(0, 0.01 * strength)
    dx = rng.uniform(-0.02, 0.02) * width * strength
    dy = rng.uniform(-0.012, 0.012) * height * strength
    cx, cy = width / 2, height / 2
    a, b = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array(
        [[a, -b, cx - a * cx + b * cy + dx], [b, a, cy - b * cx - a * cy + dy]], np.float32
    )
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.5:
        mask = np.asarray(
            cv2.warpAffine(mask, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT),
            np.float32,
        )
    return np.asarray(moved, np.uint8), mask


def jpeg(image: Image, quality: int) -> Image:
    """The picture after JPEG at a quality of 1 to 100."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of standard deviation `sigma`, in grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * sigma
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def _shift_colour(image: Image, rng: np.random.Generator, strength: float) -> Image:
    """Channel shifts, contrast, brightness and saturation, through one table a channel."""
    levels = np.arange(256, dtype=np.float32)
    contrast = 1 + rng.uniform(-0.10, 0.10) * strength
    brightness = rng.uniform(-12, 12) * strength
    gamma = float(np.exp(rng.uniform(-0.12, 0.12) * strength))
    tables = np.empty((256, 3), np.uint8)
    for channel in range(3):
        shift = rng.uniform(-10, 10) * strength
        curve = 255 * (levels / 255) ** gamma
        tables[:, channel] = np.clip((curve - 128) * contrast + 128 + brightness + shift, 0, 255)
    out = np.asarray(cv2.LUT(image, tables.reshape(1, 256, 3)), np.uint8)
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = 1 + rng.uniform(-0.25, 0.25) * strength
        out = np.asarray(cv2.addWeighted(out, keep, grey, 1 - keep, 0), np.uint8)
    return out


def _lower_resolution(image: Image, rng: np.random.Generator, strength: float) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(1.3, 2.2 + 0.7 * strength)
    size = (max(8, round(width / factor)), max(8, round(height / factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    up = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)
