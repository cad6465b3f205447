"""What happens to a picture between the camera and the detector, the same to real and fake.

A list of pictures goes through one chain with one set of random numbers, noise included: equal
pictures come out equal. If the chain differed between a fake and its genuine twin, the detector
would learn the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.camera import (
    motion_blur,
    noisy,
    old_camera,
    resized,
    shot_noise,
    tone,
)
from dfedge_tools.fakes.codecs import jpeg, video, webp
from dfedge_tools.fakes.config import Degradations, pick
from dfedge_tools.fakes.screen import Recapture, recapture

Images: TypeAlias = Sequence[Image]
Step: TypeAlias = Callable[[Images, np.random.Generator, float], list[Image]]
"""Pictures of one size, random numbers, a strength of 0 to 1: the pictures afterwards."""


def degrade_together(
    images: Images,
    *,
    rng: np.random.Generator,
    strength: float,
    shares: Degradations = Degradations(),  # noqa: B008 (frozen)
) -> list[Image]:
    """Screen, light, size, blur and noise; each drawn once for all `images`.

    `strength` runs from 0 (little) to 1.
    """
    out = list(images)
    if rng.random() < shares.screen * strength:
        out = STEPS["screen"](out, rng, strength)
    if rng.random() < shares.tone:
        out = STEPS["tone"](out, rng, strength)
    if rng.random() < shares.old_camera * strength:
        return STEPS["old_camera"](out, rng, strength)
    for name, share in (
        ("motion_blur", shares.motion_blur),
        ("blur", shares.blur),
        ("resize", shares.resize),
        ("noise", shares.noise),
        ("shot_noise", shares.shot_noise),
    ):
        if rng.random() < share * strength:
            out = STEPS[name](out, rng, strength)
    return out


def compress_together(
    images: Images,
    *,
    rng: np.random.Generator,
    strength: float,
    shares: Degradations = Degradations(),  # noqa: B008 (frozen)
) -> list[Image]:
    """One codec at one quality for all `images`, or none."""
    total = sum(share for _, share in shares.codecs)
    if rng.random() >= total * strength:
        return list(images)
    return STEPS[pick(shares.codecs, rng)](images, rng, strength)


def _tone(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    reach = 0.4 + 0.6 * strength
    gain, offset = 1 + rng.uniform(-0.25, 0.25) * reach, rng.uniform(-25, 25) * reach
    return [tone(i, gain, offset) for i in images]


def _resize(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    """Once, or for a third twice, through sizes of their own."""
    out = list(images)
    for _ in range(2 if rng.random() < 0.33 else 1):
        factor = rng.uniform(0.95 - 0.5 * strength, 0.95)
        down = int(rng.choice((cv2.INTER_AREA, cv2.INTER_LINEAR)))
        up = int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
        out = [resized(i, factor, down, up) for i in out]
    return out


def _blur(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    sigma = rng.uniform(0.3, 0.5 + 0.8 * strength)
    return [np.asarray(cv2.GaussianBlur(i, (0, 0), sigma), np.uint8) for i in images]


def _motion_blur(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    length, degrees = rng.uniform(1.5, 2 + 5 * strength), rng.uniform(0, 180)
    return [motion_blur(i, length, degrees) for i in images]


def _noise(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    sigma, seed = rng.uniform(1, 2 + 4 * strength), int(rng.integers(2**32))
    return [noisy(i, sigma, seed=seed) for i in images]


def _shot_noise(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    sigma, seed = rng.uniform(1, 2 + 5 * strength), int(rng.integers(2**32))
    return [shot_noise(i, sigma, seed=seed) for i in images]


def _old_camera(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    age, warmth = rng.uniform(0.1, 0.2 + 0.8 * strength), rng.uniform(-1, 1)
    seed = int(rng.integers(2**32))
    return [old_camera(i, age, warmth=warmth, seed=seed) for i in images]


def _screen(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    return recapture(images, Recapture.draw(rng, strength))


def _jpeg(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    quality = int(rng.integers(95 - round(55 * strength) - 5, 97))
    return [jpeg(i, quality) for i in images]


def _webp(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    quality = int(rng.integers(85 - round(55 * strength), 96))
    return [webp(i, quality) for i in images]


def _h264(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    quantizer = int(rng.integers(18, 26 + round(14 * strength)))
    return video(images, "h264", quantizer=quantizer)


def _h264_predicted(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    quantizer = int(rng.integers(18, 26 + round(12 * strength)))
    right, down = (int(v) for v in rng.integers(-3, 4, 2))
    return video(images, "h264", quantizer=quantizer, motion=(right, down))


def _mpeg4(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    return video(images, "mpeg4", quantizer=int(rng.integers(2, 5 + round(7 * strength))))


def _vp9(images: Images, rng: np.random.Generator, strength: float) -> list[Image]:
    return video(images, "vp9", quantizer=int(rng.integers(20, 36 + round(14 * strength))))


STEPS: Final[dict[str, Step]] = {
    "tone": _tone,
    "resize": _resize,
    "blur": _blur,
    "motion_blur": _motion_blur,
    "noise": _noise,
    "shot_noise": _shot_noise,
    "old_camera": _old_camera,
    "screen": _screen,
    "jpeg": _jpeg,
    "webp": _webp,
    "h264": _h264,
    "h264_predicted": _h264_predicted,
    "mpeg4": _mpeg4,
    "vp9": _vp9,
}
"""Each degradation by the name of its share."""
