"""One fake of a drawn kind, made of a genuine picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.blending import Blend, self_blend
from dfedge_tools.fakes.config import FakeMix, Kind, pick
from dfedge_tools.fakes.reenactment import reenact
from dfedge_tools.fakes.swap import swap

Donor = Callable[[], tuple[Image, Sequence[float]]]
"""Another person's picture and its key points; asked only for a swap."""


def make_fake(
    image: Image,
    keypoints: Sequence[float],
    donor: Donor,
    *,
    rng: np.random.Generator,
    difficulty: float,
    mix: FakeMix,
    kind: Kind | None = None,
) -> Blend:
    """A fake of `kind`, or of one drawn by the shares of `mix`."""
    kind = kind or pick(mix.kinds, rng)
    if kind == "self_blend":
        regions = mix.self_blend_regions
        return self_blend(image, keypoints, rng=rng, difficulty=difficulty, regions=regions)
    if kind == "reenactment":
        regions = mix.reenactment_regions
        return reenact(image, keypoints, rng=rng, difficulty=difficulty, regions=regions)
    other, points = donor()
    regions = mix.swap_regions
    return swap(image, keypoints, other, points, rng=rng, difficulty=difficulty, regions=regions)
