"""Batches: what is in them, and that their number alone decides."""

from __future__ import annotations

import numpy as np
import torch

from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.degrade import compress_together, degrade_together, h264
from dfedge_tools.training.batches import BatchMaker, chain, crop_matrix, warp_crop
from dfedge_tools.training.config import Mix, Recipe

from ..conftest import BOX, SIDE

TINY = Recipe("tiny", side=64, blend_side=96, steps=4, mix=Mix(2, 1, 1, (("meb", 1.0),)))


def test_batch_is_balanced_and_shaped(tiny_store: CropStore) -> None:
    """Half of a batch is fake; masks are empty for genuine pictures and only for them."""
    batch = BatchMaker(tiny_store, TINY)[0]
    assert (8, 3, 64, 64) == tuple(batch.images.shape)
    assert (8, 1, 8, 8) == tuple(batch.masks.shape)
    assert 4.0 == batch.labels.sum().item()
    filled = batch.masks.amax(dim=(1, 2, 3)) > 0
    assert torch.equal(batch.labels[batch.mask_known > 0] > 0.5, filled[batch.mask_known > 0])


def test_number_decides(tiny_store: CropStore) -> None:
    """A batch can be made again in any order; two numbers give two batches."""
    maker = BatchMaker(tiny_store, TINY)
    second, first = maker[1], maker[0]
    assert torch.equal(first.images, BatchMaker(tiny_store, TINY)[0].images)
    assert not torch.equal(first.images, second.images)


def test_team_shares_a_step(tiny_store: CropStore) -> None:
    """Two processes at one step draw two batches of one difficulty."""
    maker = BatchMaker(tiny_store, TINY, team_size=2)
    assert not torch.equal(maker[2].images, maker[3].images)


def test_crop_centres_the_box(face: Image) -> None:
    """The centre of the face box lands in the centre of the crop, at the promised scale."""
    matrix = crop_matrix(BOX, scale=1.4, side=70)
    left, top, right, bottom = BOX
    centre = matrix[:, :2] @ [(left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5] + matrix[:, 2]
    assert np.allclose([34.5, 34.5], centre)
    assert np.isclose(70 / (1.4 * (bottom - top)), matrix[0, 0])


def test_flip_mirrors_the_crop(face: Image) -> None:
    """A flipped crop is the mirror image of the crop."""
    plain, mirrored = (
        warp_crop(face, crop_matrix(BOX, scale=1.4, side=84, flip=flip), 84)
        for flip in (False, True)
    )
    assert np.abs(plain[:, ::-1].astype(int) - mirrored.astype(int)).mean() < 1.0


def test_chain_does_both() -> None:
    """A chain of two maps sends a point where one after the other sends it."""
    first = np.array([[2, 0, 1], [0, 3, -1]], np.float32)
    second = np.array([[0, 1, 5], [1, 0, 7]], np.float32)
    point = np.array([4.0, 6.0])
    by_hand = second[:, :2] @ (first[:, :2] @ point + first[:, 2]) + second[:, 2]
    both = chain(first, second)
    assert np.allclose(by_hand, both[:, :2] @ point + both[:, 2])


def test_equal_pictures_stay_equal(face: Image) -> None:
    """What compresses a fake compresses its genuine twin: equal pictures come out equal."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        lot = compress_together([face] * 4, rng=rng, strength=1.0)
        assert all(np.array_equal(lot[0], other) for other in lot[1:])


def test_only_noise_tells_twins_apart(face: Image) -> None:
    """Two equal pictures differ after the chain by noise of at most 5 grey levels, or not."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, second = degrade_together([face, face], rng=rng, strength=1.0)
        assert np.abs(first.astype(int) - second.astype(int)).mean() < 6


def test_h264_returns_every_picture(face: Image) -> None:
    """As many pictures come back as went in, in order, worse at a higher quantizer."""
    darker = (face // 2).astype(np.uint8)
    good = h264([face, darker], quantizer=18)
    bad = h264([face, darker], quantizer=40)
    assert [(SIDE, SIDE, 3)] * 2 == [i.shape for i in good]

    def error(images: list[Image]) -> float:
        pairs = zip(images, (face, darker), strict=True)
        return float(sum(np.abs(a.astype(int) - b.astype(int)).mean() for a, b in pairs))

    assert error(good) < error(bad) < 40
