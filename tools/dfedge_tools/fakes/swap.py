"""Swapped faces: the face of another picture laid over this one by key points.

After Face X-ray (Li et al., CVPR 2020): of the pictures at hand one with near key points is taken,
so that the pose fits, its colours are matched, and it is blended in. Real face swaps do the same
with a face that a generator or a 3D model has made.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image
from dfedge_tools.fakes.blending import Blend, blend, draw_ratio, harmonize
from dfedge_tools.fakes.config import FakeMix, Region, pick
from dfedge_tools.fakes.masks import draw_mask
from dfedge_tools.fakes.mismatch import mismatch, shift_colour
from dfedge_tools.fakes.regions import Mask, face_frame, six_points
from dfedge_tools.fakes.resynthesis import resynthesize
from dfedge_tools.fakes.warps import Affine, warp_affine


def swap(
    image: Image,
    keypoints: Sequence[float],
    donor: Image,
    donor_keypoints: Sequence[float],
    *,
    rng: np.random.Generator,
    difficulty: float,
    regions: Sequence[tuple[Region, float]] = FakeMix().swap_regions,
) -> Blend:
    """Lay the face of `donor` (any size) over that of `image`.

    The harder, the better colours match and the softer the seam.
    """
    height, width = image.shape[:2]
    easy = 1.0 - difficulty
    softness = (0.003, 0.008 + 0.034 * difficulty)
    mask = draw_mask(keypoints, (height, width), pick(regions, rng), rng=rng, softness=softness)
    onto = _onto(donor_keypoints, keypoints, whole=bool(rng.random() < 0.5))
    inside = warp_affine(donor, onto, (height, width))
    mask = mask * _cover(donor.shape[:2], onto, (height, width))
    outside = image
    if rng.random() < 0.35:
        outside = mismatch(image, rng=rng, strength=rng.uniform(0.3, 0.8))
    inside = match_colour(inside, outside, mask, share=rng.uniform(0.5 + 0.4 * difficulty, 1.0))
    if rng.random() < 0.3 + 0.5 * difficulty:
        inside = relight(inside, outside, share=rng.uniform(0.3, 0.9))
    if rng.random() < 0.65:
        inside = resynthesize(inside, rng=rng, strength=0.4 + 0.6 * easy)
    inside = shift_colour(inside, rng=rng, strength=0.2 * rng.random() + 0.7 * easy)
    if rng.random() < 0.5 * difficulty:
        inside = harmonize(inside, outside, mask)
    ratio = max(0.5, draw_ratio(rng, 0.5 * difficulty))
    return Blend(real=outside, fake=blend(inside, outside, mask * ratio), mask=mask)


def pose(keypoints: Sequence[float]) -> npt.NDArray[np.float32]:
    """Six numbers that are near for two faces of the same pose and resolution.

    Nose and mouth, then by a third of their weight the ears' distances, in a frame where the eyes
    are at -0.5 and 0.5; and a third of the logarithm of the distance of the eyes in pixels.
    """
    points = six_points(keypoints)
    across = points[1] - points[0]
    length = max(float(np.hypot(*across)), 1e-3)
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / length**2
    nose, mouth, first_ear, second_ear = (turn @ (points[2:] - points[:2].mean(axis=0)).T).T
    return np.array(
        [*nose, *mouth, (first_ear[0] + second_ear[0]) / 3, np.log(length) / 3],
        np.float32,
    )


def nearest_in_pose(
    poses: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Numbers of the poses (n, 6), the nearest to `wanted` (6,) first."""
    return np.argsort(np.abs(poses - wanted).sum(axis=1), kind="stable")


def match_colour(inside: Image, outside: Image, mask: Mask, *, share: float) -> Image:
    """`inside` with mean and spread of each Lab channel moved to those of `outside` in the mask.

    After Reinhard et al., "Color Transfer between Images" (2001); a `share` of 1 moves them wholly.
    """
    size = (max(2, inside.shape[1] // 4), max(2, inside.shape[0] // 4))
    where = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    if not where.any():
        return inside
    lab = cv2.cvtColor(inside, cv2.COLOR_RGB2LAB)
    small = cv2.resize(lab, size, interpolation=cv2.INTER_AREA)
    other = cv2.resize(outside, size, interpolation=cv2.INTER_AREA)
    mean, spread = cv2.meanStdDev(small, mask=where)
    mean_to, spread_to = cv2.meanStdDev(cv2.cvtColor(other, cv2.COLOR_RGB2LAB), mask=where)
    gain = 1 + share * (np.clip(spread_to / (spread + 1e-3), 0.6, 1.6) - 1)
    levels = np.arange(256, dtype=np.float32)[:, None]
    target = mean + share * (mean_to - mean)
    tables = np.clip((levels - mean[:, 0]) * gain[:, 0] + target[:, 0], 0, 255).astype(np.uint8)
    moved = cv2.LUT(lab, tables.reshape(1, 256, 3))
    return np.asarray(cv2.cvtColor(moved, cv2.COLOR_LAB2RGB), np.uint8)


def relight(inside: Image, outside: Image, *, share: float) -> Image:
    """`inside` with a share of the light and shade of `outside`, as a face swap's generator learns.

    Light and shade are what a blur of a ninth of the width leaves.
    """
    height, width = inside.shape[:2]
    size = (max(2, width // 4), max(2, height // 4))
    first, second = (cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in (outside, inside))
    gap = cv2.GaussianBlur(cv2.subtract(first, second, dtype=cv2.CV_32F), (0, 0), size[0] / 9)
    light = cv2.resize(gap, (width, height)) * share
    return np.asarray(cv2.add(inside, light, dtype=cv2.CV_8U), np.uint8)


def _onto(donor: Sequence[float], base: Sequence[float], *, whole: bool) -> Affine:
    """From the donor's pixels to those of the base.

    Eyes and mouth put exactly in place (`whole`), or eyes, nose and mouth as near as a shift, a
    scale and a turn can put them, which keeps the donor's proportions.
    """
    if whole:
        first, second = (np.vstack([face_frame(p), [0, 0, 1]]) for p in (donor, base))
        if abs(np.linalg.det(first)) > 1e-3:
            return np.asarray((second @ np.linalg.inv(first))[:2], np.float32)
    source, target = six_points(donor)[:4], six_points(base)[:4]
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    power = max(float((a**2).sum()), 1e-6)
    real = float((a * b).sum()) / power
    imaginary = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / power
    linear = np.array([[real, -imaginary], [imaginary, real]])
    offset = target.mean(axis=0) - linear @ source.mean(axis=0)
    return np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)


def _cover(donor_size: tuple[int, int], onto: Affine, size: tuple[int, int]) -> Mask:
    """1 where the donor reaches, with a soft edge inside it."""
    ones = np.zeros(donor_size, np.float32)
    ones[2:-2, 2:-2] = 1
    cover = cv2.warpAffine(ones, onto, (size[1], size[0]))
    if cover.min() >= 1:
        return np.asarray(cover, np.float32)
    soft = cv2.GaussianBlur(cover, (0, 0), max(1.0, size[1] / 80))
    return np.asarray(cover * np.clip(2 * soft - 1, 0, 1), np.float32)
