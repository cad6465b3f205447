"""Maps of what raises a score, made from scores alone."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.crops import CropBox
from dfedge.saliency import map_to_view, occlusion_map, overlay
from dfedge.types import Image, Tensor

SIDE = 48
PLACE = (slice(8, 16), slice(32, 40))
"""Rows and columns the made-up model looks at."""


def speckled() -> Tensor:
    """A crop that a blur changes everywhere."""
    return np.random.default_rng(5).standard_normal((3, SIDE, SIDE)).astype(np.float32)


def speckle_score(batch: Tensor) -> Tensor:
    """Log-odds of a model that calls speckles at one place fake."""
    return np.square(batch[:, :, PLACE[0], PLACE[1]]).mean(axis=(1, 2, 3)) * 4


def test_the_map_is_highest_where_the_model_looks() -> None:
    """What raises the score is found, and nothing else comes near it."""
    heat = occlusion_map(speckle_score, speckled())
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.float32
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert PLACE[0].start <= row < PLACE[0].stop
    assert PLACE[1].start <= column < PLACE[1].stop
    assert heat[30:, :24].max() < 0.2 * heat.max()


def test_what_lowers_the_score_is_negative() -> None:
    """The map of the opposite model is the opposite map."""
    x = speckled()
    heat = occlusion_map(speckle_score, x)
    opposite = occlusion_map(lambda batch: -speckle_score(batch), x)
    assert opposite == pytest.approx(-heat, abs=1e-6)


def test_a_model_that_ignores_the_picture_gets_an_empty_map() -> None:
    """No place is made up."""
    heat = occlusion_map(lambda batch: np.full(len(batch), 3.0), speckled())
    assert float(np.abs(heat).max()) == 0.0


def test_the_map_depends_on_its_arguments_alone() -> None:
    """Twice the same, whatever the batch; another seed asks other questions."""
    x = speckled()
    first = occlusion_map(speckle_score, x)
    assert np.array_equal(first, occlusion_map(speckle_score, x))
    assert occlusion_map(speckle_score, x, batch=5) == pytest.approx(first, abs=1e-5)
    assert not np.array_equal(first, occlusion_map(speckle_score, x, seed=1))


def test_the_cost_follows_from_the_places_told_apart() -> None:
    """25 places take 32 scores, the next power of two, a batch at a time."""
    asked: list[int] = []

    def count(batch: Tensor) -> Tensor:
        asked.append(len(batch))
        return speckle_score(batch)

    occlusion_map(count, speckled(), cells=5, batch=12)
    assert asked == [12, 12, 8]


def test_a_crop_need_not_be_square() -> None:
    """Height and width are kept."""
    x = speckled()[:, :, :32]
    heat = occlusion_map(lambda batch: batch.mean(axis=(1, 2, 3)), x)
    assert heat.shape == (SIDE, 32)


@pytest.mark.parametrize("options", [{"cells": 0}, {"batch": 0}])
def test_impossible_arguments_are_refused(options: dict[str, int]) -> None:
    """The message says what a map needs."""
    with pytest.raises(ValueError, match="a map needs"):
        occlusion_map(speckle_score, speckled(), **options)


def test_a_map_is_brought_to_where_it_lies_in_the_frame() -> None:
    """A spot of the model's input appears at its place in a picture cut from the frame."""
    heat = np.zeros((32, 32), np.float32)
    heat[8:16, 16:24] = 1.0  # of a crop of 64 pixels: rows 16 to 32, columns 32 to 48 of it
    crop, view = CropBox(100, 50, 164, 114), CropBox(90, 40, 190, 140)
    moved = map_to_view(heat, crop, view, (100, 100))
    expected = np.zeros((100, 100), np.float32)
    expected[10 + 16 : 10 + 32, 10 + 32 : 10 + 48] = 1.0
    assert np.array_equal(moved > 0.5, expected > 0.5)
    halved = map_to_view(heat, crop, view, (50, 50))
    assert np.array_equal(halved > 0.5, expected[::2, ::2] > 0.5)


def test_nothing_is_drawn_where_the_model_saw_nothing() -> None:
    """Outside the crop the map is zero."""
    heat = np.ones((32, 32), np.float32)
    moved = map_to_view(heat, CropBox(10, 10, 42, 42), CropBox(0, 0, 64, 64), (64, 64))
    assert float(moved[:9].max()) == float(moved[:, 44:].max()) == 0.0
    assert float(moved[12:40, 12:40].min()) == 1.0


def test_the_bars_of_a_letterbox_are_left_out() -> None:
    """A wide crop fills the middle of the input: only that part is the picture."""
    heat = np.zeros((40, 40), np.float32)
    heat[10:20] = 1.0  # the crop is in rows 10 to 30: the upper half of it
    crop = CropBox(0, 0, 80, 40)
    moved = map_to_view(heat, crop, crop, (40, 80), resize="letterbox")
    assert float(moved[1:18, 1:-1].min()) > 0.9
    assert float(moved[21:].max()) < 0.1


def picture() -> Image:
    """A grey picture."""
    return np.full((20, 30, 3), 120, np.uint8)


def test_only_what_raises_the_score_is_coloured() -> None:
    """The picture is kept where the map is zero or below, and changed most at its peak."""
    heat = np.zeros((20, 30), np.float32)
    heat[5, 5], heat[10, 10], heat[15, 15] = 1.0, 0.3, -2.0
    drawn = overlay(picture(), heat)
    change = np.abs(drawn.astype(int) - 120).sum(axis=2)
    assert (drawn.shape, drawn.dtype) == ((20, 30, 3), np.uint8)
    assert change[5, 5] > change[10, 10] > change[15, 15] == change[0, 0] == 0


def test_maps_can_share_a_scale() -> None:
    """With one peak for several maps a weak one looks weak."""
    heat = np.full((20, 30), 0.1, np.float32)
    alone, beside_a_stronger = overlay(picture(), heat), overlay(picture(), heat, peak=2.0)
    assert (
        np.abs(alone.astype(int) - 120).sum()
        > 3 * np.abs(beside_a_stronger.astype(int) - 120).sum()
    )


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_peak_changes_nothing(value: float) -> None:
    """Nothing raises the score, so nothing is coloured."""
    heat = np.full((20, 30), value, np.float32)
    assert np.array_equal(overlay(picture(), heat), picture())
