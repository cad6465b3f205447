"""Self-blending: what it may change, and that a seed fixes it."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.fakes.blending import blend, mismatch, self_blend
from dfedge_tools.fakes.regions import OUTLINES, Region, region_mask

from ..conftest import KEYPOINTS, SIDE


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_mask_is_a_share(face: Image, difficulty: float) -> None:
    """A mask lies between 0 and 1, covers something and never the whole picture."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        mask = self_blend(face, KEYPOINTS, rng=rng, difficulty=difficulty).mask
        assert (SIDE, SIDE) == mask.shape
        assert mask.min() >= 0.0
        assert mask.max() <= 1.0
        assert 0.002 < mask.mean() < 0.6


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_only_the_region_changes(face: Image, difficulty: float) -> None:
    """Outside the mask a fake equals its genuine twin; inside it does not."""
    for seed in range(8):
        made = self_blend(face, KEYPOINTS, rng=np.random.default_rng(seed), difficulty=difficulty)
        outside = made.mask < 1e-4
        assert np.array_equal(made.real[outside], made.fake[outside])
        assert not np.array_equal(made.real, made.fake)


def test_seed_decides(face: Image) -> None:
    """The same seed gives the same fake, another seed another one."""
    first, again, other = (
        self_blend(face, KEYPOINTS, rng=np.random.default_rng(seed), difficulty=0.7)
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first.fake, again.fake)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.fake, other.fake)


def test_source_is_left_alone(face: Image) -> None:
    """Blending does not write into the picture it is given."""
    before = face.copy()
    self_blend(face, KEYPOINTS, rng=np.random.default_rng(0), difficulty=1.0)
    assert np.array_equal(before, face)


def test_blend_by_hand() -> None:
    """Half a share of 200 over 100 is 150; no share leaves 100, a whole one gives 200."""
    inside = np.full((1, 3, 3), 200, np.uint8)
    outside = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert [100, 150, 200] == blend(inside, outside, mask)[0, :, 0].tolist()


def test_mismatch_keeps_the_picture(face: Image) -> None:
    """A mismatched copy has the same shape and differs, but shows the same face."""
    changed = mismatch(face, rng=np.random.default_rng(5), strength=1.0)
    assert face.shape == changed.shape
    assert not np.array_equal(face, changed)
    assert np.corrcoef(face.reshape(-1), changed.reshape(-1))[0, 1] > 0.9


@pytest.mark.parametrize("region", list(OUTLINES))
def test_region_follows_the_key_points(region: Region) -> None:
    """Key points moved by 20 pixels move the region by as much."""
    masks = []
    for offset in (0, 20):
        points = [value + offset * (n % 2 == 0) for n, value in enumerate(KEYPOINTS)]
        rng = np.random.default_rng(1)
        masks.append(
            region_mask(points, (SIDE, SIDE), region, rng=rng, jitter=0.0, softness_pixels=0.0)
        )
    centres = [np.argwhere(mask > 0.5).mean(axis=0) for mask in masks]
    assert np.allclose(centres[0] + (0, 20), centres[1], atol=0.6)


def test_mouth_lies_in_the_lower_face() -> None:
    """The mouth region holds the mouth key point and not the eyes."""
    rng = np.random.default_rng(0)
    mask = region_mask(KEYPOINTS, (SIDE, SIDE), "mouth", rng=rng, jitter=0.0, softness_pixels=0.0)
    assert 1.0 == mask[80, 63]
    assert 0.0 == mask[52, 50]
    assert 0.0 == mask[52, 76]
