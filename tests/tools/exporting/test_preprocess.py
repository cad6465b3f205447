"""``preprocess.onnx``: resize and normalisation in a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pictures

from dfedge.bundles.card import CropContract, Input
from dfedge.types import Image
from dfedge_models import IMAGENET_MEAN, IMAGENET_STD
from dfedge_tools.exporting.graph import open_session
from dfedge_tools.exporting.preprocess import preprocess_graph

Floats = npt.NDArray[np.float64]


def preprocessing(resize: str, width: int = 224, height: int = 224, **more: Any) -> Any:
    """A session of the graph."""
    model_input = Input(
        name="input",
        layout="NCHW",
        width=width,
        height=height,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **more,
    )
    contract = CropContract(
        box_source="blazeface-full-range",
        margin=0.2,
        squaring="longer_side",
        resize=resize,  # type: ignore[arg-type]
        pad_value=128 if resize == "letterbox" else 0,
    )
    return open_session(preprocess_graph(model_input, contract))


def levels(session: Any, crop: Image) -> Floats:
    """What comes out, (height, width, 3), as levels 0 to 255."""
    (tensor,) = session.run(None, {"crop": crop})
    assert tensor.dtype == np.float32
    picture = tensor[0].transpose(1, 2, 0).astype(np.float64)
    return np.asarray((picture * IMAGENET_STD + IMAGENET_MEAN) * 255)


def by_pillow(crop: Image, width: int, height: int) -> Floats:
    """Antialiased bilinear as Pillow has it."""
    resized = Pictures.fromarray(crop).resize((width, height), Pictures.Resampling.BILINEAR)
    return np.asarray(resized, np.float64)


SIZES = [(512, 512), (225, 223), (224, 224), (150, 97), (1, 1), (1000, 333), (37, 411), (1, 500)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_stretching_is_that_of_pillow(portrait: Image, height: int, width: int) -> None:
    """To less than one level: Pillow rounds twice by up to half a level, the graph does not."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    face = np.asarray(Pictures.fromarray(portrait).resize((width, height)), np.uint8)
    session = preprocessing("stretch")
    for crop in (noise, face):
        difference = np.abs(levels(session, crop) - by_pillow(crop, 224, 224))
        assert difference.max() < 1.01
        assert difference.mean() < 0.4


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_letterboxing_keeps_the_shape(portrait: Image, height: int, width: int) -> None:
    """The longer side fills the input, the picture is centred, the rest is the pad value."""
    crop = np.asarray(Pictures.fromarray(portrait).resize((width, height)), np.uint8)
    longer = max(height, width)
    inner_height, inner_width = (
        max(1, math.floor(side * 224 / longer + 0.5)) for side in (height, width)
    )
    top, left = (224 - inner_height) // 2, (224 - inner_width) // 2
    expected = np.full((224, 224, 3), 128.0)
    inner = by_pillow(crop, inner_width, inner_height)
    expected[top : top + inner_height, left : left + inner_width] = inner
    assert np.abs(levels(preprocessing("letterbox"), crop) - expected).max() < 1.01


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_an_input_need_not_be_square(resize: str) -> None:
    """Height and width are not mixed up."""
    crop = np.random.default_rng(1).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    out = levels(preprocessing(resize, width=96, height=64), crop)
    assert out.shape == (64, 96, 3)
    assert np.abs(out - by_pillow(crop, 96, 64)).max() < 1.01  # 120 x 80 fits exactly


def test_a_crop_of_the_input_size_is_only_normalised() -> None:
    """Every level comes back exactly."""
    crop = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    out = levels(preprocessing("stretch", 32, 32), crop)
    np.testing.assert_allclose(out, crop, atol=1e-4)


def test_channels_can_be_swapped() -> None:
    """A model of blue-green-red order gets blue first; mean and std are in the model's order."""
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[..., 0] = 200  # red
    out = levels(preprocessing("stretch", 8, 8, colour_order="BGR"), crop)
    np.testing.assert_allclose(out[0, 0], [0, 0, 200], atol=1e-4)
