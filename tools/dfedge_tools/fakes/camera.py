"""What a camera does to a picture: light, noise, blur, and the look of an old one.

Nothing here draws random numbers but noise from its seed, so that two pictures can be given
exactly the same.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image

Noise: TypeAlias = npt.NDArray[np.float32]

_NORMAL = np.array([NormalDist().inv_cdf((n + 0.5) / 256) for n in range(256)], np.float32)
"""Quantiles of a normal distribution, so that a random byte becomes a normal number quickly."""


def tone(image: Image, gain: float, offset: float) -> Image:
    """Contrast about middle grey, then brightness, in grey levels."""
    levels = np.arange(256, dtype=np.float32)
    table = np.clip((levels - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def noisy(image: Image, sigma: float, *, seed: int) -> Image:
    """Gaussian noise of standard deviation `sigma`, in grey levels."""
    height, width = image.shape[:2]
    noise = _normal_field((height, width, 3), seed, sigma)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def shot_noise(image: Image, sigma: float, *, seed: int) -> Image:
    """Noise that grows with the square root of the light, `sigma` grey levels at middle grey.

    Coarser and stronger in colour than in light, as cameras leave it at a high ISO.
    """
    height, width = image.shape[:2]
    fine = _normal_field((height, width, 1), seed, 1.0)
    coarse = _normal_field((max(1, height // 2), max(1, width // 2), 3), seed + 1, 0.9)
    colour = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    noise = np.asarray(colour, np.float32).reshape(image.shape) + fine
    levels = np.arange(256, dtype=np.float32)
    spread = sigma * np.sqrt(0.15 + levels / 128)
    noise *= cv2.LUT(image, spread.astype(np.float32))
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def motion_blur(image: Image, length: float, degrees: float) -> Image:
    """Smeared along a line of `length` pixels."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    middle, angle = side // 2, np.deg2rad(degrees)
    for place in np.linspace(-length / 2, length / 2, 4 * side):
        x, y = middle + place * np.cos(angle), middle + place * np.sin(angle)
        kernel[round(float(y)), round(float(x))] += 1
    kernel /= kernel.sum()
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)


def resized(image: Image, factor: float, down: int, up: int) -> Image:
    """Through another size and back; `down` and `up` are OpenCV's filters."""
    height, width = image.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def old_camera(image: Image, age: float, *, warmth: float, seed: int) -> Image:
    """Few pixels, smeared colours, clipped light, dark corners, noise and a sharpening halo.

    Args:
        image: (H, W, 3).
        age: 0 to 1.
        warmth: -1 (blue) to 1 (yellow) cast.
        seed: Of the noise.
    """
    height, width = image.shape[:2]
    factor = 0.75 - 0.35 * age
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    small = shot_noise(small, 2 + 5 * age, seed=seed)
    luma, *colours = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb))
    colours = [cv2.blur(c, (5, 3)) for c in colours]
    halo = cv2.GaussianBlur(luma, (0, 0), 1.2)
    luma = cv2.addWeighted(luma, 1.8, halo, -0.8, 0)
    small = np.asarray(cv2.cvtColor(cv2.merge([luma, *colours]), cv2.COLOR_YCrCb2RGB), np.uint8)
    out = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    corners = 1 - 0.35 * age * _from_centre(height, width)
    gains = np.array([1 + 0.06 * warmth, 1.0, 1 - 0.10 * warmth], np.float32) * 1.06
    lit = cv2.multiply(out, corners[..., None] * gains, dtype=cv2.CV_8U)
    return tone(np.asarray(lit, np.uint8), 1 + 0.25 * age, 0.0)


def _from_centre(height: int, width: int) -> npt.NDArray[np.float32]:
    """0 in the middle to 1 in the corners, squared."""
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    right = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray((down**2 + right**2) / 2, np.float32)


def _normal_field(shape: tuple[int, int, int], seed: int, sigma: float) -> Noise:
    height, width, channels = shape
    drawn = np.random.default_rng(seed).bytes(height * width * channels)
    codes = np.frombuffer(drawn, np.uint8).reshape(height, width * channels)
    return np.asarray(cv2.LUT(codes, _NORMAL * np.float32(sigma)), np.float32).reshape(shape)
