"""Self-blending: what it may change, and that a seed fixes it."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.fakes.blending import blend, harmonize, self_blend
from dfedge_tools.fakes.mismatch import mismatch

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


def test_harmonizing_hides_a_step_in_colour(face: Image) -> None:
    """A copy 30 levels brighter meets its surroundings at the seam, and keeps its detail."""
    brighter = np.clip(face.astype(int) + 30, 0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[40:90, 40:90] = 1
    hidden = harmonize(brighter, face, mask)
    seam = np.zeros_like(mask, bool)
    seam[40:90, 40] = seam[40:90, 89] = seam[40, 40:90] = seam[89, 40:90] = True

    def step(inside: Image) -> float:
        return float(np.abs(inside.astype(int) - face)[seam].mean())

    assert step(hidden) < step(brighter) / 4
    assert np.corrcoef(hidden[45:85, 45:85].ravel(), face[45:85, 45:85].ravel())[0, 1] > 0.95
