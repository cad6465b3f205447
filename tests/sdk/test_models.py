"""How crops wait for a model, and how many are put before it at once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from dfedge.bundles import store
from dfedge.crops import Preprocessor
from dfedge.models import SCORE_BATCH, Models
from dfedge.runtime import open_model
from dfedge.types import Image

SIDE = 16
"""Of the tiny detector's input."""


def models_of(bundle_maker: Any, **fields: Any) -> Models:
    """A tiny detector, without anybody who finds faces."""
    bundle, card = store.resolve_detector(bundle_maker.detector(**fields))
    preprocessor = Preprocessor(bundle)
    classifier = open_model(bundle, device="cpu", threads=1)
    return Models(bundle, card, cast("Any", None), preprocessor, classifier)


@pytest.fixture
def models(bundle_maker: Any) -> Models:
    """The tiny detector."""
    return models_of(bundle_maker)


def crop(side: int) -> Image:
    """A crop of noise."""
    return np.random.default_rng(side).integers(0, 256, (side, side, 3)).astype(np.uint8)


def test_a_crop_waits_as_what_is_smaller(models: Models) -> None:
    """A small one as its pixels, a large one as the model's input."""
    small = models.keep(crop(20))
    assert (small.dtype, small.shape) == (np.uint8, (20, 20, 3))
    large = models.keep(crop(200))
    assert (large.dtype, large.shape) == (np.float32, (3, SIDE, SIDE))


def test_waiting_changes_nothing(models: Models) -> None:
    """The inputs are those of the crops, however they waited."""
    crops = [crop(20), crop(200), crop(33)]
    inputs = models.inputs([models.keep(item) for item in crops])
    assert np.array_equal(inputs, models.preprocessor(crops))


@pytest.mark.parametrize(("largest", "expected"), [(None, SCORE_BATCH), (2, 2), (64, SCORE_BATCH)])
def test_no_batch_is_larger_than_the_engine_was_built_for(
    bundle_maker: Any, largest: int | None, expected: int
) -> None:
    """The card's deployment says for which batch sizes that is."""
    deployment = {"target": "jetson"}
    if largest is not None:
        deployment |= {"batch": {"smallest": 1, "usual": 2, "largest": largest}}  # type: ignore[dict-item]
    assert models_of(bundle_maker, deployment=deployment).batch == expected
