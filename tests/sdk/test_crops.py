"""Crop boxes by the contract, pixels cut from a frame, and the tensor a model takes."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import CropContract
from dfedge.crops import (
    MAX_CROP_SIDE,
    CropBox,
    Patch,
    Preprocessor,
    crop_box,
    cut,
    measure_quality,
    visible,
)
from dfedge.types import Box

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "crop_boxes.json"


def contract(margin: float = 0.2, squaring: str = "longer_side") -> CropContract:
    """The contract of this project's models unless said otherwise."""
    return CropContract(
        box_source="tiny-faces",
        margin=margin,
        squaring=squaring,  # type: ignore[arg-type]
        resize="stretch",
    )


def random_boxes(count: int) -> list[Box]:
    """Boxes of all sizes in and around a frame, many with corners on halves and quarters."""
    numbers = np.random.default_rng(7)
    boxes = []
    for index in range(count):
        left, top = numbers.uniform(-300, 2000, 2)
        width, height = numbers.lognormal(4, 1.5, 2) + 0.01
        if index % 2:
            left, top, width, height = (round(4 * x) / 4 for x in (left, top, width, height))
        boxes.append(Box(left, top, left + max(width, 0.25), top + max(height, 0.25)))
    return boxes


def picture(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture of noise without zeros, so that padding is told from it."""
    return np.random.default_rng(1).integers(1, 256, (height, width, 3), dtype=np.uint8)


def test_golden_crop_boxes() -> None:
    """The vectors every runtime must agree on."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert len(golden["cases"]) >= 200
    for case in golden["cases"]:
        box = crop_box(Box(*case["box"]), contract(case["margin"], case["squaring"]))
        assert case["crop"] == [box.left, box.top, box.right, box.bottom], case


def test_the_usual_crop_is_a_square_of_1_4_times_the_longer_side() -> None:
    """A face of 100 x 80 at (200, 300) gives 140 x 140 about the same centre."""
    assert CropBox(180, 270, 320, 410) == crop_box(Box(200, 300, 300, 380), contract())


@pytest.mark.parametrize(
    ("edge", "expected"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (-0.5, 0), (-0.51, -1)]
)
def test_halves_are_rounded_up(edge: float, expected: int) -> None:
    """Not to even, and towards plus infinity below zero too."""
    assert expected == crop_box(Box(edge, 0, edge + 8, 8), contract(0.0)).left


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.2, 0.35, 1.0, 2.0])
def test_a_squared_crop_is_square_to_the_pixel(margin: float) -> None:
    """Whatever the box, width equals height and is the nearest integer to the exact side."""
    for box in random_boxes(400):
        crop = crop_box(box, contract(margin))
        side = (1 + 2 * margin) * max(box.width, box.height)
        assert crop.width == crop.height
        assert abs(crop.width - side) <= 0.5 + 1e-9 or crop.width == 1


def test_a_crop_keeps_the_centre() -> None:
    """No further off than rounding allows: half a pixel for the edge, half for the size."""
    for squaring in ("longer_side", "none"):
        for box in random_boxes(400):
            crop = crop_box(box, contract(0.2, squaring))
            assert abs((crop.left + crop.right) / 2 - box.center[0]) <= 0.75 + 1e-9
            assert abs((crop.top + crop.bottom) / 2 - box.center[1]) <= 0.75 + 1e-9


def test_whole_pixel_shifts_shift_the_crop() -> None:
    """Moving a face by whole pixels moves its crop by the same."""
    for box in random_boxes(400)[1::2]:  # those on quarters, where no digit is lost
        here, there = crop_box(box, contract(0.25)), crop_box(box.shifted(17, -5), contract(0.25))
        moved = CropBox(here.left + 17, here.top - 5, here.right + 17, here.bottom - 5)
        assert moved == there


def test_unsquared_crops_keep_both_sides() -> None:
    """Without squaring, each side is scaled by itself."""
    crop = crop_box(Box(0, 0, 100, 50), contract(0.5, "none"))
    assert (crop.width, crop.height) == (200, 100)


def test_a_crop_is_never_empty() -> None:
    """A face smaller than a pixel still gives one."""
    crop = crop_box(Box(5.0, 5.0, 5.01, 5.01), contract(0.0))
    assert (crop.width, crop.height) == (1, 1)


@pytest.mark.parametrize("right", [math.inf, 1e9, MAX_CROP_SIDE * 1.0])
def test_absurd_boxes_are_refused(right: float) -> None:
    """No endless array is made for a box that cannot be a face."""
    with pytest.raises(ValueError, match="no crop of more than"):
        crop_box(Box(0.0, 0.0, right, 10.0), contract())


def test_cut_equals_cutting_from_a_padded_picture() -> None:
    """Inside, across each edge and outside: the same as padding first and slicing then."""
    image, numbers, pad = picture(37, 53), np.random.default_rng(3), 100
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), constant_values=9)
    for _ in range(500):
        left, top = (int(n) for n in numbers.integers(-60, 80, 2))
        width, height = (int(n) for n in numbers.integers(1, 60, 2))
        box = CropBox(left, top, left + width, top + height)
        rows, columns = slice(top + pad, top + pad + height), slice(left + pad, left + pad + width)
        crop = cut(image, box, 9)
        assert crop.dtype == np.uint8
        assert np.array_equal(padded[rows, columns], crop)


def test_a_cut_is_a_copy() -> None:
    """Changing the crop leaves the frame as it was."""
    image = picture(10, 10)
    before = image.copy()
    cut(image, CropBox(2, 2, 6, 6))[:] = 0
    assert np.array_equal(before, image)


def test_an_empty_crop_box_cannot_be_made() -> None:
    """A crop has at least one pixel."""
    with pytest.raises(ValueError, match="right > left"):
        CropBox(3, 3, 3, 9)


def test_quality_of_a_plain_crop_is_its_grey() -> None:
    """One colour: no sharpness, and the brightness of that colour at any size."""
    for side in (8, 112, 500):
        quality = measure_quality(np.full((side, side, 3), 77, np.uint8))
        assert quality.sharpness == 0.0
        assert quality.brightness == 77.0


def test_blur_lowers_sharpness_and_keeps_brightness() -> None:
    """The more a crop is blurred the less sharp it measures."""
    import cv2

    noise = picture(224, 224)
    sharpness = [measure_quality(noise).sharpness]
    for sigma in (1.0, 2.0, 4.0, 8.0):
        blurred = measure_quality(np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.uint8))
        assert blurred.brightness == pytest.approx(measure_quality(noise).brightness, abs=1.5)
        sharpness.append(blurred.sharpness)
    assert sharpness == sorted(sharpness, reverse=True)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """By its definition, on a grey crop that needs no resizing."""
    grey = picture(112, 112)[..., 0].astype(np.float64)
    edge = np.pad(grey, 1, mode="reflect")
    laplacian = edge[:-2, 1:-1] + edge[2:, 1:-1] + edge[1:-1, :-2] + edge[1:-1, 2:] - 4 * grey
    crop = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    assert measure_quality(crop).sharpness == pytest.approx(laplacian.var(), rel=1e-6)


def test_the_preprocessor_gives_a_row_a_crop(bundle_maker: Any) -> None:
    """Crops of any sizes in, one normalised batch out, each as if alone."""
    preprocess = Preprocessor(load_bundle(bundle_maker.detector()))
    crops = [picture(16, 16), picture(100, 30), picture(7, 200)]
    batch = preprocess(crops)
    assert batch.shape == (3, 3, 16, 16)
    assert batch.dtype == np.float32
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((crops[0] / 255 - mean) / std).transpose(2, 0, 1)
    assert np.allclose(expected, batch[0], atol=1e-5), "16 x 16 needs no resizing"
    for crop, row in zip(crops, batch, strict=True):
        assert np.array_equal(row, preprocess([crop])[0])


def test_the_preprocessor_takes_no_crops_and_views(bundle_maker: Any) -> None:
    """An empty batch is an array too, and a crop need not be contiguous."""
    preprocess = Preprocessor(load_bundle(bundle_maker.detector()))
    assert preprocess([]).shape == (0, 3, 16, 16)
    view = picture(40, 40)[::2, ::-1]
    assert np.array_equal(preprocess([view.copy()]), preprocess([view]))


def test_threads_may_share_a_preprocessor(bundle_maker: Any) -> None:
    """Many calls at once give what one call gives."""
    preprocess = Preprocessor(load_bundle(bundle_maker.detector()))
    crops = [picture(20 + index, 30) for index in range(32)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda crop: preprocess([crop])[0], crops))
    assert np.array_equal(preprocess(crops), np.stack(together))


def test_golden_vectors_are_exact_where_binary_fractions_allow() -> None:
    """Vectors whose numbers are exact in binary follow the contract in exact arithmetic."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    exact = [case for case in golden["cases"] if case["margin"] in (0.0, 0.25, 0.5)]
    assert len(exact) >= 50
    for case in exact:
        left, top, right, bottom = (Fraction(edge) for edge in case["box"])
        width, height = right - left, bottom - top
        if case["squaring"] == "longer_side":
            width = height = max(width, height)
        scale = 1 + 2 * Fraction(case["margin"])
        half = Fraction(1, 2)
        x = math.floor((left + right) / 2 - width * scale / 2 + half)
        y = math.floor((top + bottom) / 2 - height * scale / 2 + half)
        wide, high = (max(1, math.floor(n * scale + half)) for n in (width, height))
        assert [x, y, x + wide, y + high] == case["crop"]


def test_a_patch_gives_what_the_frame_gives() -> None:
    """Cut, padded and visible pixels are those of the whole frame wherever it shows the box."""
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    patch = Patch(frame[10:60, 30:80], 30, 10, 80, 60)
    assert Patch.whole(frame).is_whole
    assert not patch.is_whole
    for box in (CropBox(40, 20, 60, 50), CropBox(50, 30, 90, 75), CropBox(30, 10, 80, 60)):
        assert patch.shows(box)
        assert np.array_equal(cut(frame, box, 7), patch.cut(box, 7))
        assert np.array_equal(visible(frame, box), patch.visible(box))
    for box in (CropBox(29, 20, 60, 50), CropBox(40, 9, 60, 50), CropBox(-5, -5, 90, 75)):
        assert not patch.shows(box)
