"""What fakes are made of and what happens to them on the way, as typed values of a recipe.

Shares of one field need not sum to 1: they are weights. Shares of degradations are probabilities at
full strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

Kind = Literal["self_blend", "reenactment", "swap"]
Region = Literal["face", "forehead", "inner", "lower", "mouth", "eyes", "half"]

Name = TypeVar("Name", bound=str)


@dataclass(frozen=True, slots=True)
class Degradations:
    """How often each step of the chain is taken at full strength, 0 to 1."""

    tone: float = 0.5
    """Brightness and contrast, taken this often at any strength."""
    resize: float = 0.45
    blur: float = 0.18
    motion_blur: float = 0.07
    noise: float = 0.15
    shot_noise: float = 0.12
    """Grows with the light and is coarser in colour, as at a high ISO."""
    old_camera: float = 0.04
    screen: float = 0.04
    """Filmed off a screen."""
    jpeg: float = 0.36
    webp: float = 0.03
    h264: float = 0.25
    """Key frames at one quantizer."""
    h264_predicted: float = 0.12
    """Frames predicted from one before them, at one quantizer."""
    mpeg4: float = 0.05
    """MPEG-4 Part 2: the look of old clips."""
    vp9: float = 0.01

    @property
    def codecs(self) -> tuple[tuple[str, float], ...]:
        """Name and share of each way to compress; at most one is taken."""
        return (
            ("jpeg", self.jpeg),
            ("webp", self.webp),
            ("h264", self.h264),
            ("h264_predicted", self.h264_predicted),
            ("mpeg4", self.mpeg4),
            ("vp9", self.vp9),
        )


@dataclass(frozen=True, slots=True)
class FakeMix:
    """Fakes made of genuine pictures."""

    kinds: tuple[tuple[Kind, float], ...] = (
        ("self_blend", 0.48),
        ("reenactment", 0.32),
        ("swap", 0.20),
    )
    self_blend_regions: tuple[tuple[Region, float], ...] = (
        ("face", 0.40),
        ("forehead", 0.14),
        ("inner", 0.16),
        ("lower", 0.12),
        ("mouth", 0.07),
        ("eyes", 0.05),
        ("half", 0.06),
    )
    reenactment_regions: tuple[tuple[Region, float], ...] = (
        ("lower", 0.34),
        ("mouth", 0.26),
        ("face", 0.18),
        ("inner", 0.12),
        ("eyes", 0.06),
        ("half", 0.04),
    )
    swap_regions: tuple[tuple[Region, float], ...] = (
        ("face", 0.42),
        ("forehead", 0.10),
        ("inner", 0.38),
        ("lower", 0.06),
        ("eyes", 0.04),
    )
    degradations: Degradations = field(default_factory=Degradations)


def pick(shares: Sequence[tuple[Name, float]], rng: np.random.Generator) -> Name:
    """A name drawn by its share."""
    weights = np.array([share for _, share in shares])
    return shares[int(rng.choice(len(shares), p=weights / weights.sum()))][0]
