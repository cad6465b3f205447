"""Moving pixels: the whole picture by an affine map, a face's expression by a smooth field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image
from dfedge_tools.fakes.regions import Mask, face_frame

Affine = npt.NDArray[np.float32]
"""2 x 3, from pixels of one picture to pixels of another."""


@dataclass(frozen=True, slots=True)
class _Push:
    """Skin around a point of the face frame pushed along a vector, fading out with distance.

    Lengths are in distances between the eyes; see :mod:`dfedge_tools.fakes.regions`.
    """

    centre: tuple[float, float]
    vector: tuple[float, float]
    reach: float


MOUTH_MOVES: Final = (
    (_Push((0, 1.22), (0, 1.0), 0.28), _Push((0, 1.62), (0, 0.8), 0.42)),  # the jaw drops
    (_Push((0, 0.92), (0, -0.5), 0.22), _Push((0, 1.18), (0, 0.7), 0.24)),  # the lips part
    (_Push((-0.42, 1.05), (-0.8, -0.5), 0.28), _Push((0.42, 1.05), (0.8, -0.5), 0.28)),  # a smile
    (_Push((0, 1.08), (1.0, 0), 0.42),),  # the mouth goes to one side
    (_Push((-0.42, 1.08), (-0.2, -0.6), 0.28),),  # one corner of it
    (_Push((0.42, 1.08), (0.2, -0.6), 0.28),),
)
EYE_MOVES: Final = (
    (_Push((-0.5, -0.33), (0, -0.8), 0.26), _Push((0.5, -0.33), (0, -0.8), 0.26)),  # brows go up
    (_Push((-0.5, -0.08), (0, 0.45), 0.16), _Push((0.5, -0.08), (0, 0.45), 0.16)),  # lids go down
    (_Push((-0.5, 0.0), (0.5, 0), 0.2), _Push((0.5, 0.0), (0.5, 0), 0.2)),  # a glance
)


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
        mask = np.clip(cv2.warpAffine(mask, matrix, (width, height)), 0, 1)
    return np.asarray(moved, np.uint8), mask


def warp_affine(image: Image, matrix: Affine, size: tuple[int, int]) -> Image:
    """The picture through `matrix` on a canvas of (height, width); black where it does not reach.

    A map that makes the picture smaller blurs it first, against aliasing.
    """
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if 0 < zoom < 0.75:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), min(0.35 / zoom, 8.0)), np.uint8)
    height, width = size
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8
    )


def change_expression(
    image: Image,
    keypoints: Sequence[float],
    *,
    rng: np.random.Generator,
    amount: float,
    eyes: bool = False,
) -> Image:
    """Mouth and jaw (or eyes and brows) moved smoothly.

    `amount` is the standard deviation of each move, in distances between the eyes.
    """
    moves = EYE_MOVES if eyes else MOUTH_MOVES
    sizes = np.clip(rng.normal(0, amount, len(moves)), -2 * amount, 2 * amount)
    pushes = [
        (push, float(size)) for group, size in zip(moves, sizes, strict=True) for push in group
    ]
    height, width = image.shape[:2]
    field = _field(keypoints, (height, width), pushes)
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(
        cv2.remap(
            image,
            right - field[..., 0],
            down - field[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    )


def _field(
    keypoints: Sequence[float],
    size: tuple[int, int],
    pushes: Sequence[tuple[_Push, float]],
) -> npt.NDArray[np.float32]:
    """(height, width, 2) displacement in pixels, worked out at a quarter of the size."""
    height, width = size
    frame = face_frame(keypoints)
    unit = float(np.sqrt(abs(np.linalg.det(frame[:, :2]))))
    rows, columns = max(2, height // 4), max(2, width // 4)
    down, right = np.meshgrid(
        (np.arange(rows, dtype=np.float32) + 0.5) * (height / rows) - 0.5,
        (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns) - 0.5,
        indexing="ij",
    )
    field = np.zeros((rows, columns, 2), np.float32)
    for push, size_of_move in pushes:
        x, y = frame[:, :2] @ push.centre + frame[:, 2]
        reach = max(push.reach * unit, 1.0)
        near = np.exp(-((right - x) ** 2 + (down - y) ** 2) / (2 * reach**2))
        field += near[..., None] * (frame[:, :2] @ push.vector * size_of_move)
    return np.asarray(cv2.resize(field, (width, height)), np.float32)
