"""Mixup and cutout of whole batches; the mask target is treated as the picture is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from dfedge_tools.training.batches import MASK_STRIDE, Batch
from dfedge_tools.training.config import Mixing

GREY = (124, 116, 104)
"""ImageNet's mean colour, which is zero after normalization."""


class MixedBatches(Dataset[Batch]):
    """Batches of another data set, mixed; again a pure function of the number.

    mixup: Zhang and others, ICLR 2018; cutout: DeVries and Taylor, 2017.
    """

    def __init__(self, made: Dataset[Batch], mixing: Mixing, *, seed: int) -> None:
        self.made = made
        self.mixing = mixing
        self.seed = seed

    def __getitem__(self, number: int) -> Batch:
        """The batch of a number."""
        batch = self.made[number]
        rng = np.random.default_rng((self.seed, number, 1))
        if rng.random() < self.mixing.mixup_chance:
            share = float(rng.beta(self.mixing.mixup_alpha, self.mixing.mixup_alpha))
            batch = mixup(batch, torch.from_numpy(rng.permutation(len(batch.labels))), share)
        for picture in range(len(batch.labels)):
            if rng.random() < self.mixing.cutout_chance:
                cut_out(batch, picture, self.mixing.cutout_side, rng)
        return batch


def mixup(batch: Batch, partners: torch.Tensor, share: float) -> Batch:
    """`share` of each picture, label and mask and the rest of its partner's.

    A mixed mask is known where both are.
    """

    def mixed(values: torch.Tensor) -> torch.Tensor:
        return values * share + values[partners] * (1 - share)

    return Batch(
        images=mixed(batch.images.float()).round().to(torch.uint8),
        labels=mixed(batch.labels),
        masks=mixed(batch.masks),
        mask_known=batch.mask_known * batch.mask_known[partners],
    )


def cut_out(batch: Batch, picture: int, largest: float, rng: np.random.Generator) -> None:
    """Make a square of a picture grey, in place, and its mask there empty.

    The square lies on cells of the mask, so that no cell is half seen.
    """
    cells = batch.masks.shape[-1]
    side = int(rng.integers(1, max(1, round(largest * cells)) + 1))
    top, left = (int(v) for v in rng.integers(0, cells - side + 1, 2))
    batch.masks[picture, :, top : top + side, left : left + side] = 0
    rows, columns = (
        slice(start * MASK_STRIDE, (start + side) * MASK_STRIDE) for start in (top, left)
    )
    grey: Any = torch.tensor(GREY, dtype=torch.uint8).view(3, 1, 1)
    batch.images[picture, :, rows, columns] = grey
