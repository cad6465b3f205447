"""A picture shown on a screen and filmed off it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image

_SUBPIXELS = 3


@dataclass(frozen=True, slots=True)
class Recapture:
    """How it is filmed.

    Attributes:
        density: Screen pixels for each pixel of the picture.
        grid: Contrast of the subpixel grid, 0 to 1; sampled again, it makes the moire.
        tilt: Shifts of the four corners, (4, 2), in widths of the picture.
        gamma: Of screen and camera together.
        black: What a black screen pixel still gives, in grey levels.
        glare: Centre (x, y) and radius in widths, then brightness in grey levels.
        focus: Blur of the camera in pixels.
    """

    density: float
    grid: float
    tilt: npt.NDArray[np.float32]
    gamma: float
    black: float
    glare: tuple[float, float, float, float]
    focus: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Recapture:
        """Tilted by so little (up to 0.8% of the width) that the mask of a fake still fits."""
        return Recapture(
            density=rng.uniform(0.8, 1.3),
            grid=rng.uniform(0.10, 0.20 + 0.30 * strength),
            tilt=rng.uniform(-0.008, 0.008, (4, 2)).astype(np.float32),
            gamma=float(np.exp(rng.uniform(-0.25, 0.25))),
            black=rng.uniform(0, 10 + 20 * strength),
            glare=(
                rng.uniform(-0.2, 1.2),
                rng.uniform(-0.2, 1.2),
                rng.uniform(0.2, 0.7),
                rng.uniform(0, 20 + 50 * strength),
            ),
            focus=rng.uniform(0.3, 0.9),
        )


def recapture(image: Image, how: Recapture) -> Image:
    """The picture as a camera sees it on a screen, at its own size."""
    height, width = image.shape[:2]
    columns, rows = max(8, round(width * how.density)), max(8, round(height * how.density))
    shown = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
    large = (columns * _SUBPIXELS, rows * _SUBPIXELS)
    lit = cv2.resize(shown, large, interpolation=cv2.INTER_NEAREST)
    lit = cv2.multiply(lit, _grid(rows, columns, how.grid), dtype=cv2.CV_8U)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    source = corners * np.array(large, np.float32)
    target = (corners + how.tilt) * np.array([width, height], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    lit = cv2.GaussianBlur(lit, (3, 3), 0)
    seen = cv2.warpPerspective(lit, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.GaussianBlur(seen, (0, 0), how.focus)
    levels = np.arange(256, dtype=np.float32) / 255
    curve = how.black + (255 - how.black) * levels**how.gamma
    seen = cv2.LUT(seen, np.clip(curve, 0, 255).astype(np.uint8))
    return np.asarray(cv2.add(seen, _glare(height, width, how.glare), dtype=cv2.CV_8U), np.uint8)


def _grid(rows: int, columns: int, contrast: float) -> npt.NDArray[np.float32]:
    """A cell is a red, a green and a blue stripe over a dark line; its mean is 1."""
    cell = np.full((_SUBPIXELS, _SUBPIXELS, 3), 1 - contrast, np.float32)
    for stripe in range(_SUBPIXELS):
        cell[:, stripe, stripe] = 1 + contrast
    cell[-1] *= 1 - 0.6 * contrast
    cell /= cell.mean(axis=(0, 1))
    return np.tile(cell, (rows, columns, 1))


def _glare(
    height: int, width: int, glare: tuple[float, float, float, float]
) -> npt.NDArray[np.float32]:
    x, y, radius, brightness = glare
    down = ((np.arange(height, dtype=np.float32) / width - y) / radius) ** 2
    right = ((np.arange(width, dtype=np.float32) / width - x) / radius) ** 2
    light = np.float32(brightness) * np.outer(np.exp(-down), np.exp(-right))
    return np.repeat(light.astype(np.float32)[..., None], 3, axis=2)
