"""Laying the genuine frame over a fake, and the mask read off it."""

from __future__ import annotations

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.data.align import align_pair, changed_mask
from dfedge_tools.data.store import CropStore


def test_shift_and_scale_are_found(portrait: Image) -> None:
    """A picture cut at another place and scale is laid over its original to half a pixel."""
    real = np.asarray(cv2.resize(portrait, (384, 384), interpolation=cv2.INTER_AREA), np.uint8)
    truth = np.array([[0.95, 0.0, 12.0], [0.0, 0.95, 7.0]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fake = np.asarray(cv2.warpAffine(real, truth, (384, 384), flags=flags), np.uint8)
    box = (140.0, 40.0, 220.0, 140.0)
    warp = align_pair(fake, box, real, box)
    assert warp is not None
    corners = np.array([[0, 0, 1], [383, 0, 1], [0, 383, 1], [383, 383, 1]], np.float32)
    assert np.abs(corners @ warp.T - corners @ truth.T).max() < 0.5


def test_plain_pictures_are_not_aligned() -> None:
    """Without anything to match, no alignment is made up."""
    plain = np.full((64, 64, 3), 90, np.uint8)
    assert align_pair(plain, (20, 20, 40, 40), plain, (20, 20, 40, 40)) is None


def test_mask_marks_the_change(tiny_store: CropStore) -> None:
    """The mask of a fake is high where its pixels were changed and empty in the far corner."""
    numbers = [n for n, row in enumerate(tiny_store.rows) if row.original is not None]
    assert [1] * len(numbers) == [tiny_store.rows[n].sample.label for n in numbers]
    assert numbers
    row = tiny_store.rows[numbers[0]]
    assert row.original is not None
    real = tiny_store.image(row.original.row)
    mask = changed_mask(tiny_store.image(numbers[0]), real, row)
    assert mask[55:80, 50:80].mean() > 0.5
    assert 0.0 == mask[110:, :20].max()
