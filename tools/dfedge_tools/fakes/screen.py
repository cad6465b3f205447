"""A picture shown on a screen and filmed off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image

_SUBPIXELS = 3
_ONE = 96
"""Gain of 1 in the grid, whose numbers are whole."""


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


def recapture(images: Sequence[Image], how: Recapture) -> list[Image]:
    """Pictures of one size as a camera sees them on a screen, at their own size."""
    if not images:
        return []
    height, width = images[0].shape[:2]
    columns, rows = max(8, round(width * how.density)), max(8, round(height * how.density))
    grid = _grid(rows, columns, how.grid)
    glare = _glare(height, width, how.glare)
    view = _view((columns * _SUBPIXELS, rows * _SUBPIXELS), (width, height), how.tilt)
    levels = np.arange(256, dtype=np.float32) / 255
    curve = np.clip(how.black + (255 - how.black) * levels**how.gamma, 0, 255).astype(np.uint8)
    out = []
    for image in images:
        shown = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
        large = (columns * _SUBPIXELS, rows * _SUBPIXELS)
        lit = cv2.resize(shown, large, interpolation=cv2.INTER_NEAREST)
        lit = cv2.multiply(lit, grid, scale=1 / _ONE)
        lit = cv2.GaussianBlur(lit, (3, 3), 0)
        seen = cv2.warpPerspective(lit, view, (width, height), borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.LUT(cv2.GaussianBlur(seen, (0, 0), how.focus), curve)
        out.append(np.asarray(cv2.add(seen, glare, dtype=cv2.CV_8U), np.uint8))
    return out


def _grid(rows: int, columns: int, contrast: float) -> npt.NDArray[np.uint8]:
    """A cell is a red, a green and a blue stripe over a dark line; its mean is `_ONE`."""
    cell = np.full((_SUBPIXELS, _SUBPIXELS, 3), 1 - contrast, np.float32)
    for stripe in range(_SUBPIXELS):
        cell[:, stripe, stripe] = 1 + contrast
    cell[-1] *= 1 - 0.6 * contrast
    cell *= _ONE / cell.mean(axis=(0, 1))
    return np.tile(np.rint(cell).astype(np.uint8), (rows, columns, 1))


def _view(
    screen: tuple[int, int], picture: tuple[int, int], tilt: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """3 x 3 from subpixels of the screen to pixels of the camera."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    source = corners * np.array(screen, np.float32)
    target = (corners + tilt) * np.array(picture, np.float32)
    return np.asarray(cv2.getPerspectiveTransform(source, target), np.float64)


def _glare(
    height: int, width: int, glare: tuple[float, float, float, float]
) -> npt.NDArray[np.float32]:
    x, y, radius, brightness = glare
    down = ((np.arange(height, dtype=np.float32) / width - y) / radius) ** 2
    right = ((np.arange(width, dtype=np.float32) / width - x) / radius) ** 2
    light = np.float32(brightness) * np.outer(np.exp(-down), np.exp(-right))
    return np.repeat(light.astype(np.float32)[..., None], 3, axis=2)
