"""Changes of colour and sharpness that make two copies of a picture differ.

The transforms of Shiohara and Yamasaki (CVPR 2022): shifts of the colour channels, of hue and
saturation, of brightness and contrast, then a lower resolution or sharpening. A strength of 1 is
about the paper's.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image
from dfedge_tools.fakes.camera import noisy
from dfedge_tools.fakes.codecs import jpeg

_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""


def mismatch(image: Image, *, rng: np.random.Generator, strength: float) -> Image:
    """A copy that differs in colour and in sharpness, as two cameras or a generator would."""
    out = shift_colour(image, rng=rng, strength=strength)
    kind = rng.random()
    if kind < 0.40:
        return lower_resolution(out, rng.uniform(1.3, 2.2 + 0.7 * strength), rng=rng)
    if kind < 0.58:
        sigma = rng.uniform(0.5, 0.6 + 0.7 * strength)
        return np.asarray(cv2.GaussianBlur(out, (0, 0), sigma), np.uint8)
    if kind < 0.78:
        return sharpen(out, rng.uniform(0.8, 2.0), rng.uniform(0.4, 1.0) * min(strength, 1.5))
    if kind < 0.90:
        return jpeg(out, int(rng.integers(25, 80)))
    return noisy(out, rng.uniform(2, 5) * strength, seed=int(rng.integers(2**32)))


def shift_colour(image: Image, *, rng: np.random.Generator, strength: float) -> Image:
    """Gamma, contrast, brightness and channel shifts by a table; hue and saturation by a matrix."""
    levels = np.arange(256, dtype=np.float32)
    contrast = 1 + rng.uniform(-0.10, 0.10) * strength
    brightness = rng.uniform(-12, 12) * strength
    gamma = float(np.exp(rng.uniform(-0.12, 0.12) * strength))
    shifts = rng.uniform(-10, 10, 3) * strength
    curve = (255 * (levels / 255) ** gamma - 128) * contrast + 128 + brightness
    tables = np.clip(curve[:, None] + shifts, 0, 255).astype(np.uint8)
    out = np.asarray(cv2.LUT(image, tables.reshape(1, 256, 3)), np.uint8)
    if rng.random() < 0.5:
        degrees = rng.uniform(-6, 6) * strength
        saturation = 1 + rng.uniform(-0.25, 0.25) * strength
        out = np.asarray(cv2.transform(out, _turn_hue(degrees, saturation)), np.uint8)
    return out


def lower_resolution(image: Image, factor: float, *, rng: np.random.Generator) -> Image:
    """Down by a factor and up again."""
    height, width = image.shape[:2]
    size = (max(8, round(width / factor)), max(8, round(height / factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    up = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def sharpen(image: Image, sigma: float, amount: float) -> Image:
    """Unsharp mask: `amount` times what a blur of `sigma` pixels takes away, added."""
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def _turn_hue(degrees: float, saturation: float) -> npt.NDArray[np.float32]:
    """3 x 3: colours turned about the grey axis and scaled from their luma."""
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.deg2rad(degrees)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    grey = np.tile(_LUMA, (3, 1))
    return np.asarray((grey + saturation * (np.eye(3) - grey)) @ turn, np.float32)
