"""Mixup and cutout: masks and labels are treated as the pictures are."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from dfedge_tools.training.batches import Batch
from dfedge_tools.training.config import Mixing
from dfedge_tools.training.mixing import GREY, MixedBatches, cut_out, mixup

SIDE = 64


def _batch() -> Batch:
    """A black genuine picture, a white fake one, and a grey fake one whose mask is not known."""
    levels = torch.tensor([0, 255, 100], dtype=torch.uint8).view(3, 1, 1, 1)
    ones = torch.ones(1, 8, 8)
    return Batch(
        images=levels.expand(3, 3, SIDE, SIDE).clone(),
        labels=torch.tensor([0.0, 1.0, 1.0]),
        masks=torch.stack([ones * 0, ones, ones * 0]),
        mask_known=torch.tensor([1.0, 1.0, 0.0]),
    )


class _Made(Dataset[Batch]):
    def __getitem__(self, number: int) -> Batch:
        return _batch()


def test_mixup_by_hand() -> None:
    """A quarter of the black genuine picture and three of the white fake: so are label and mask."""
    mixed = mixup(_batch(), torch.tensor([1, 0, 0]), 0.25)
    assert {191} == set(mixed.images[0].reshape(-1).tolist())
    assert [0.75, 0.25, 0.25] == mixed.labels.tolist()
    assert [0.75, 0.25] == [mixed.masks[n, 0, 0, 0].item() for n in (0, 1)]


def test_mixed_mask_is_known_where_both_are() -> None:
    """A picture mixed with one of unknown mask has an unknown mask."""
    mixed = mixup(_batch(), torch.tensor([2, 0, 1]), 0.5)
    assert [0.0, 1.0, 0.0] == mixed.mask_known.tolist()


def test_cutout_empties_its_cells() -> None:
    """Where the picture is grey the mask is empty, and nowhere else; cell by cell."""
    batch = _batch()
    cut_out(batch, 1, 0.5, np.random.default_rng(3))
    grey = (batch.images[1] == torch.tensor(GREY, dtype=torch.uint8).view(3, 1, 1)).all(dim=0)
    cells = grey.view(8, 8, 8, 8).float().mean(dim=(1, 3))
    assert {0.0, 1.0} == set(cells.reshape(-1).tolist())
    assert torch.equal(1 - cells, batch.masks[1, 0])
    assert torch.equal(_batch().images[0], batch.images[0])


def test_nothing_is_mixed_unless_wanted() -> None:
    """By default a batch stays as it was made."""
    batch = MixedBatches(_Made(), Mixing(), seed=0)[0]
    assert torch.equal(_batch().images, batch.images)
    assert torch.equal(_batch().labels, batch.labels)


def test_number_decides() -> None:
    """One number gives one mixture, with any chance."""
    mixed = MixedBatches(_Made(), Mixing(mixup_chance=0.5, cutout_chance=0.5), seed=1)
    firsts, seconds = ([mixed[n].images for n in range(8)] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(firsts, seconds, strict=True))
    assert len({tuple(image.reshape(-1).tolist()) for image in firsts}) > 2
