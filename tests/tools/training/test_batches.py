"""Batches: what is in them, and that their number alone decides."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.config import Degradations, FakeMix
from dfedge_tools.fakes.cutting import chain, crop_matrix, move_keypoints, warp_crop
from dfedge_tools.training.batches import BatchMaker
from dfedge_tools.training.config import FrameStage, LoopConfig, Mix
from dfedge_tools.training.pools import Pools

from ..conftest import BOX, KEYPOINTS

TINY = FrameStage(
    architecture="dfedge_efficientnet_b0",
    name="tiny",
    side=64,
    blend_side=96,
    mix=Mix(2, 1, 1, (("meb", 1.0),)),
    loop=LoopConfig(steps=4),
)


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


def test_mirrored_crop_has_mirrored_key_points() -> None:
    """In a mirrored crop the first eye is still the left one of the picture."""
    plain, mirrored = (
        np.reshape(
            move_keypoints(KEYPOINTS, crop_matrix(BOX, scale=1.4, side=84, flip=flip)), (6, 2)
        )
        for flip in (False, True)
    )
    assert mirrored[0, 0] < mirrored[1, 0]
    assert np.allclose(83 - plain[1, 0], mirrored[0, 0], atol=1e-3)
    assert np.allclose(plain[3, 1], mirrored[3, 1])


def test_the_mix_of_fakes_decides(tiny_store: CropStore) -> None:
    """Another mix in the recipe gives another batch from the same seed."""
    swaps = replace(TINY, fakes=FakeMix(kinds=(("swap", 1.0),)))
    clean = replace(
        TINY, fakes=FakeMix(degradations=Degradations(*[0.0] * len(fields(Degradations))))
    )
    batches = [BatchMaker(tiny_store, stage)[5].images for stage in (TINY, swaps, clean)]
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_donor_is_another_person_of_the_train_split(tiny_store: CropStore) -> None:
    """Whoever gives a face to a swap is genuine, is trained on, and is not the one who gets it."""
    pools = Pools.of(tiny_store)
    rng = np.random.default_rng(0)
    for row in [int(n) for n in pools.donors] * 3:
        donor = tiny_store.rows[pools.donor_for(tiny_store, row, rng)].sample
        own = tiny_store.rows[row].sample
        assert ("train", 0) == (donor.split, donor.label)
        assert donor.path != own.path
        assert not own.target_id or donor.target_id != own.target_id


@pytest.mark.parametrize("missing", ["stills", "clips", "fakes"])
def test_batches_without_a_kind_of_pictures(tiny_store: CropStore, missing: str) -> None:
    """A store without stills, without clips or without manipulated frames fills a batch too."""
    kept = {
        "stills": lambda s: s.kind == "clip",
        "clips": lambda s: s.kind == "still",
        "fakes": lambda s: s.label == 0,
    }[missing]
    part = PartOfStore(tiny_store, [n for n, r in enumerate(tiny_store.rows) if kept(r.sample)])
    batch = BatchMaker(part, TINY)[0]
    assert 4.0 == batch.labels.sum().item()
    assert (8, 3, 64, 64) == tuple(batch.images.shape)


class PartOfStore:
    """Some rows of a store; fakes lose the link to their original."""

    def __init__(self, store: CropStore, rows: list[int]) -> None:
        self._store, self._numbers = store, rows
        self.rows = [replace(store.rows[n], original=None) for n in rows]

    def image(self, row: int, /) -> Image:
        """RGB picture of a row."""
        return self._store.image(self._numbers[row])


def test_a_method_can_be_left_out(tiny_store: CropStore) -> None:
    """None of its fakes is drawn; the genuine pictures stay."""
    everything, held_out = Pools.of(tiny_store), Pools.of(tiny_store, ("Deepfakes",))
    assert {"Deepfakes"} == set(everything.fakes)
    assert {} == held_out.fakes
    assert everything.genuine == held_out.genuine
