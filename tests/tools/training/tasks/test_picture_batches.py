"""Batches of pictures: classes alike, labels that fit what is drawn, pure functions of a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dfedge.errors import UsageError
from dfedge_models import ModelSignature
from dfedge_tools.training.config import LoopConfig
from dfedge_tools.training.tasks.genconvit import GenConViTBatches
from dfedge_tools.training.tasks.multitask_batches import MultiTaskBatches
from dfedge_tools.training.tasks.pictures import cut_face, normalized, recompress
from dfedge_tools.training.tasks.stages import Cut, GenConViTStage, MultiTaskStage

from .conftest import FACE, SIDE, ToyCrops, crops_of

LOOP = LoopConfig(steps=1)
MULTITASK = MultiTaskStage(name="m", loop=LOOP, img_size=64, images=64)
GENCONVIT = GenConViTStage(name="g", loop=LOOP, network="ed", img_size=64, images=64)


def _only(toy: ToyCrops, label: int) -> ToyCrops:
    chosen = [n for n, row in enumerate(toy.rows) if row.sample.label == label]
    return crops_of([toy.rows[n].sample for n in chosen], [toy.images[n] for n in chosen])


def test_half_of_the_pictures_are_fake(toy: ToyCrops) -> None:
    """Though two thirds of the train rows are genuine."""
    multitask, genconvit = MultiTaskBatches(MULTITASK, toy), GenConViTBatches(GENCONVIT, toy)
    fake = [float(multitask[n].targets[:, 0].mean()) for n in range(6)]
    assert pytest.approx(0.5, abs=0.1) == float(np.mean(fake))
    real = [float(genconvit[n].classes.float().mean()) for n in range(6)]
    assert pytest.approx(0.5, abs=0.1) == float(np.mean(real))


def test_class_0_is_fake(toy: ToyCrops) -> None:
    """The toy set's fakes have more blue than red; they are of class 0."""
    stage = replace(GENCONVIT, strength=0.0)
    batch = GenConViTBatches(stage, toy)[0]
    means = batch.images.float().mean(dim=(2, 3))
    assert batch.classes.tolist() == (means[:, 0] > means[:, 2]).long().tolist()


def test_shares_are_those_that_are_drawn(toy: ToyCrops) -> None:
    """What class weights are worked out from is what comes, head by head."""
    data = MultiTaskBatches(MULTITASK, toy)
    batches = [data[number] for number in range(8)]
    targets = torch.cat([batch.targets * batch.known for batch in batches]).sum(dim=0)
    known = torch.cat([batch.known for batch in batches]).sum(dim=0)
    assert data.positive_shares().tolist() == pytest.approx((targets / known).tolist(), abs=0.06)
    assert [0.5, 0.0, 0.5] == pytest.approx(data.positive_shares().tolist())


def test_without_fakes_all_fakes_are_self_blends(toy: ToyCrops) -> None:
    """Genuine pictures are enough to train on, and have both classes for the border head."""
    batch = MultiTaskBatches(MULTITASK, _only(toy, 0))[0]
    assert torch.equal(batch.targets[:, 0], batch.targets[:, 2])
    assert {0.0, 1.0} == set(batch.targets[:, 0].tolist())


@pytest.mark.parametrize(
    ("make", "label"), [(MultiTaskBatches, 1), (GenConViTBatches, 0), (GenConViTBatches, 1)]
)
def test_a_missing_class_is_refused(toy: ToyCrops, make: Any, label: int) -> None:
    """Without genuine pictures, and for GenConViT without fakes, nothing can be trained."""
    stage = MULTITASK if make is MultiTaskBatches else GENCONVIT
    with pytest.raises(UsageError, match="pack again"):
        make(stage, _only(toy, label))


@pytest.mark.parametrize("make", [MultiTaskBatches, GenConViTBatches])
def test_a_number_gives_the_same_batch_again(toy: ToyCrops, make: Any) -> None:
    """And another number another one."""
    stage = replace(MULTITASK if make is MultiTaskBatches else GENCONVIT, images=4)
    first, again = make(stage, toy), make(stage, toy)
    assert torch.equal(first[5].images, again[5].images)
    assert not torch.equal(first[5].images, again[6].images)


def test_key_points_go_with_the_face(toy: ToyCrops) -> None:
    """A cut without chance but the mirroring: the left eye's picture is where its point says."""
    cut = Cut(scales=(2.0,), spread=0.0, shift=0.0, turn_degrees=30.0, exact=2.0)
    marked = np.zeros((SIDE, SIDE, 3), np.uint8)
    left, top = int(FACE.keypoints[0]), int(FACE.keypoints[1])
    marked[top - 1 : top + 2, left - 1 : left + 2] = 255
    for seed in range(4):
        image, points = cut_face(marked, FACE, cut, side=88, rng=np.random.default_rng(seed))
        y, x = np.unravel_index(int(image[..., 0].argmax()), image.shape[:2])
        eyes = np.asarray(points).reshape(-1, 2)[:2]
        assert np.abs(eyes - (x, y)).max(axis=1).min() < 2
        assert eyes[0, 0] < eyes[1, 0]


def test_compression_comes_as_often_as_said(toy: ToyCrops) -> None:
    """Two in five pictures whole, two in five mildly, one in five strongly compressed."""
    rng = np.random.default_rng(0)
    image = toy.image(0)
    found = [recompress(image, rng) for _ in range(500)]
    shares = np.bincount([left for _, left in found]) / 500
    assert [0.4, 0.4, 0.2] == pytest.approx(shares.tolist(), abs=0.06)
    errors = [np.abs(made.astype(int) - image).mean() for made, left in found if left == 2]
    assert all(np.array_equal(made, image) for made, left in found if left == 0)
    assert min(errors) > max(
        np.abs(made.astype(int) - image).mean() for made, left in found if left == 0
    )


def test_normalized_by_the_model(toy: ToyCrops) -> None:
    """The mean colour becomes 0, one deviation more becomes 1, for pictures and for clips."""
    signature = ModelSignature(img_size=2, mean=(0.2, 0.4, 0.6), std=(0.2, 0.2, 0.2))
    colours = torch.tensor([[51, 102, 153], [102, 153, 204]], dtype=torch.uint8)
    clip = colours.view(1, 2, 3, 1, 1)
    assert torch.allclose(
        torch.tensor([0.0, 1.0]).view(1, 2, 1, 1, 1).expand_as(clip), normalized(clip, signature)
    )
