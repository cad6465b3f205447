"""Fakes that keep the face and change what it does, as Face2Face and NeuralTextures do.

Both leave the identity, the hair and the light alone. Face2Face (Thies et al., CVPR 2016) renders
the whole face anew with another expression, NeuralTextures (Thies et al., SIGGRAPH 2019) the mouth
and what is around it. What is left to see is skin that is a little too smooth or too regular, and
a seam without a step in colour. So: the expression is moved by a smooth field, the result goes
through something like a generator, and is blended back with a wide, hidden seam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.blending import Blend, blend, draw_ratio, harmonize
from dfedge_tools.fakes.config import FakeMix, Region, pick
from dfedge_tools.fakes.masks import draw_mask
from dfedge_tools.fakes.mismatch import shift_colour
from dfedge_tools.fakes.resynthesis import resynthesize
from dfedge_tools.fakes.warps import change_expression


def reenact(
    image: Image,
    keypoints: Sequence[float],
    *,
    rng: np.random.Generator,
    difficulty: float,
    regions: Sequence[tuple[Region, float]] = FakeMix().reenactment_regions,
) -> Blend:
    """Change the expression inside a region and make its texture anew.

    In a quarter of them it is the background that went through the generator, and with it the
    genuine twin: a smooth face alone is no fake.
    """
    height, width = image.shape[:2]
    easy = 1.0 - difficulty
    region = pick(regions, rng)
    softness = (0.004 + 0.010 * difficulty, 0.012 + 0.038 * difficulty)
    mask = draw_mask(keypoints, (height, width), region, rng=rng, softness=softness)
    inside, outside = image, image
    if rng.random() < 0.85 + 0.15 * easy:
        amount = 0.04 + 0.04 * rng.random() + 0.03 * easy
        inside = change_expression(inside, keypoints, rng=rng, amount=amount, eyes=region == "eyes")
    strength = 0.4 + 0.6 * easy
    if rng.random() < 0.75:
        inside = resynthesize(inside, rng=rng, strength=strength)
    else:
        outside = resynthesize(outside, rng=rng, strength=strength)
    if rng.random() < 0.7 + 0.3 * easy:
        inside = shift_colour(inside, rng=rng, strength=0.15 + 0.2 * rng.random() + 0.8 * easy)
    if rng.random() < 0.5 * difficulty:
        inside = harmonize(inside, outside, mask)
    ratio = max(0.5, draw_ratio(rng, 0.5 * difficulty))
    return Blend(real=outside, fake=blend(inside, outside, mask * ratio), mask=mask)
