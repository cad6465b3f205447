"""Validation crops are the runtime's crops."""

from __future__ import annotations

import numpy as np
import torch

from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.training.validate import ValidationSet, contract_crop, normalize


def test_crop_of_a_box_by_hand() -> None:
    """A box of 20 x 10 pixels at scale 1.4 is cut 28 pixels square, without resizing at side 28."""
    image = np.arange(100 * 100 * 3, dtype=np.uint32).reshape(100, 100, 3) % 251
    picture = image.astype(np.uint8)
    crop = contract_crop(picture, (40.0, 45.0, 60.0, 55.0), scale=1.4, side=28)
    assert np.array_equal(picture[36:64, 36:64], crop)


def test_outside_is_black(face: Image) -> None:
    """Where the crop reaches past the picture it is black."""
    crop = contract_crop(face, (-20.0, -20.0, 20.0, 20.0), scale=1.4, side=56)
    assert 0 == crop[:28].max()
    assert crop[28:, 28:].max() > 0


def test_only_wanted_splits_are_scored(tiny_store: CropStore) -> None:
    """A set of val clips holds no train picture and no still."""
    chosen = ValidationSet(tiny_store, splits=["val"], side=32)
    assert {("val", "clip")} == {(s.split, s.kind) for s in chosen.samples}
    assert (6, 32, 32, 3) == chosen.crops.shape


def test_normalized_mean_colour_is_zero(face: Image) -> None:
    """A picture of ImageNet's mean colour becomes nearly zero, white becomes positive."""

    mean = torch.tensor([124, 116, 104], dtype=torch.uint8).view(1, 3, 1, 1)
    assert normalize(mean).abs().max().item() < 0.02
    assert normalize(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).min().item() > 2
