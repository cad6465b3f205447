"""Lay the genuine frame behind a fake over it, and read off what was changed.

FaceForensics++ fakes keep the target's video outside the face. The stored crops were cut by a face
box of their own, so the two frames differ by a shift, a scale and a slight turn, which SIFT matches
outside the face give (Lowe, IJCV 2004, with a consensus of matches). Where that fails, the fake is
used without a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image
from dfedge_tools.data.manifest import original_key
from dfedge_tools.data.store import Alignment, Row

MAX_FEATURES = 600
MAX_MATCH_RATIO = 0.8
"""A match must be this much nearer than the second best (Lowe)."""

MAX_RESIDUAL = 7.0
"""Mean absolute difference outside the face, in grey levels, above which nothing was found."""

MIN_CHANGE = 10.0
"""Blurred difference, in grey levels, that counts as fully changed at least."""

Warp = npt.NDArray[np.float32]
"""2 x 3 affine."""


def align_rows(rows: Sequence[Row], image: Callable[[int], Image]) -> list[Row]:
    """The rows, with `original` filled in for each fake whose genuine frame could be laid over."""
    out = list(rows)
    for fake, real in fakes_with_originals(rows):
        found = align_fake(rows[fake], image(fake), rows[real], image(real), real)
        out[fake] = replace(rows[fake], original=found)
    return out


def fakes_with_originals(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(number of a fake, number of the genuine frame it was made from), where that is there."""
    genuine = {
        original_key(row.sample): number
        for number, row in enumerate(rows)
        if row.sample.kind == "clip" and row.sample.label == 0
    }
    return [
        (number, genuine[key])
        for number, row in enumerate(rows)
        if row.sample.label == 1 and (key := original_key(row.sample)) in genuine
    ]


def align_fake(
    fake: Row, fake_image: Image, real: Row, real_image: Image, real_number: int
) -> Alignment | None:
    """How the genuine frame lies over a fake; None where it could not be laid over."""
    warp = align_pair(fake_image, fake.face.box, real_image, real.face.box)
    if warp is None:
        return None
    residual = residual_outside(fake_image, fake.face.box, real_image, warp)
    if residual > MAX_RESIDUAL:
        return None
    a, b, c, d, e, f = (float(v) for v in warp.reshape(-1))
    return Alignment(real_number, (a, b, c, d, e, f), residual)


def align_pair(
    fake: Image,
    fake_box: tuple[float, float, float, float],
    real: Image,
    real_box: tuple[float, float, float, float],
) -> Warp | None:
    """Warp from pixels of `fake` to pixels of `real`, or None where too few points match."""
    fake_points, fake_features = _features(fake, fake_box)
    real_points, real_features = _features(real, real_box)
    if fake_features is None or real_features is None or len(real_features) < 2:
        return None
    nearest = cv2.BFMatcher().knnMatch(fake_features, real_features, k=2)
    matches = [
        pair[0]
        for pair in nearest
        if len(pair) == 2 and pair[0].distance < MAX_MATCH_RATIO * pair[1].distance
    ]
    if len(matches) < 4:
        return None
    cv2.setRNGSeed(0)
    warp, _ = cv2.estimateAffinePartial2D(
        np.array([fake_points[m.queryIdx].pt for m in matches], np.float32),
        np.array([real_points[m.trainIdx].pt for m in matches], np.float32),
        ransacReprojThreshold=2.0,
    )
    return None if warp is None else np.asarray(warp, np.float32)


def residual_outside(
    fake: Image, fake_box: tuple[float, float, float, float], real: Image, warp: Warp
) -> float:
    """Mean absolute grey difference outside the face, 0 to 255; 255 where nothing overlaps."""
    height, width = fake.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grey = cv2.cvtColor(real, cv2.COLOR_RGB2GRAY).astype(np.float32)
    over = cv2.warpAffine(grey, warp, (width, height), flags=flags, borderValue=-1.0)
    use = (_outside_face(fake, fake_box) > 0) & (over >= 0)
    difference = np.abs(cv2.cvtColor(fake, cv2.COLOR_RGB2GRAY).astype(np.float32) - over)
    return float(difference[use].mean()) if use.any() else 255.0


def changed_mask(fake: Image, real: Image, row: Row) -> npt.NDArray[np.float32]:
    """Soft mask of what the manipulation changed, (height, width) of `fake`, 0 to 1.

    The blurred absolute difference inside the face, scaled by its own 98th percentile and cut at a
    quarter of it. A fake that differs by less than compression does gets a nearly empty mask.

    Raises:
        ValueError: No genuine frame was aligned with the fake.
    """
    if row.original is None:
        raise ValueError(f"{row.sample.path}: no genuine frame was aligned with it")
    height, width = fake.shape[:2]
    warp = np.asarray(row.original.warp, np.float32).reshape(2, 3)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    over = cv2.warpAffine(real, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    red, green, blue = cv2.split(cv2.absdiff(fake, over))
    difference = cv2.max(cv2.max(red, green), blue)  # NumPy's max takes 25 times as long
    quarter = (max(1, width // 4), max(1, height // 4))
    small = cv2.resize(difference, quarter, interpolation=cv2.INTER_AREA).astype(np.float32)
    blurred = cv2.GaussianBlur(small, (0, 0), max(quarter) / 40)
    outside = cv2.resize(_outside_face(fake, row.face.box), quarter, interpolation=cv2.INTER_AREA)
    blurred[outside > 127] = 0
    level = max(float(np.percentile(blurred[outside <= 127], 98)), MIN_CHANGE)
    mask = np.clip((blurred / level - 0.25) * 4, 0, 1)
    return np.asarray(cv2.resize(mask, (width, height)), np.float32)


def _features(
    image: Image, box: tuple[float, float, float, float]
) -> tuple[Any, npt.NDArray[np.float32] | None]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    finder = cv2.SIFT_create(MAX_FEATURES)  # type: ignore[attr-defined]
    points, features = finder.detectAndCompute(grey, _outside_face(image, box))
    return points, None if features is None else np.asarray(features, np.float32)


def _outside_face(image: Image, box: tuple[float, float, float, float]) -> npt.NDArray[np.uint8]:
    """255 outside the face box grown by a tenth, 0 inside."""
    mask = np.full(image.shape[:2], 255, np.uint8)
    left, top, right, bottom = (round(v) for v in box)
    grow = round((right - left) * 0.1)
    mask[max(0, top - grow) : bottom + grow, max(0, left - grow) : right + grow] = 0
    return mask
