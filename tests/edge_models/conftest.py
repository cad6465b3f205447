"""Weights and inputs that anyone can rebuild from names and a seed; nothing is downloaded."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

with contextlib.suppress(ImportError):  # then the test modules skip, with the reason
    import torch

INPUT_SEED = 20261121
OFFICIAL_GAIN = 3.0
"""Of the oracles' README; under it EfficientNet's maps grow to a spread of thousands."""
CALM_GAIN = 1.0
"""Keeps the backbone's maps of order one, so that single and double precision agree."""
SMALLER: dict[str, dict[str, int]] = {
    "dfedge_convnext_tiny_multitask": {"img_size": 64},
    "genconvit_ed": {"img_size": 64},
    "genconvit_vae": {"img_size": 64},
    "genconvit": {"img_size": 64},
    "dfd_clip_l": {"img_size": 56, "frames": 3, "depth": 2},
}
"""Options under which a large model is quick; the others are tested at their own size."""


def seeded_weights(model: Any, *, backbone_gain: float) -> dict[str, Any]:
    """A state for `model` made from the names of its entries, by the rule of the oracles.

    Matrices and kernels are normal with variance ``gain / fan_in``; the gain of the backbone is
    given, that of all else is :data:`OFFICIAL_GAIN`.
    """
    state = model.state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            gain = backbone_gain if "backbone." in name else OFFICIAL_GAIN
            state[name] = seeded_entry(name, tuple(value.shape), gain)
    return dict(state)


def seeded_entry(name: str, shape: tuple[int, ...], gain: float = OFFICIAL_GAIN) -> Any:
    """One entry of a state, by the rule of the oracles, float32."""
    return torch.from_numpy(_seeded_array(name, shape, gain))


def seeded_input(shape: tuple[int, ...]) -> Any:
    """The oracles' input of a shape: standard normal, float32."""
    generator = np.random.default_rng(INPUT_SEED)
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))


@pytest.fixture
def seeded_model() -> Callable[..., Any]:
    """Makes an architecture with rebuilt weights, in eval mode.

    Called with its name, perhaps the gain of the backbone, and options of the architecture.
    """
    import dfedge_models

    def make(name: str, gain: float = CALM_GAIN, **options: int) -> Any:
        model = dfedge_models.create(name, **options).eval()
        model.load_state_dict(seeded_weights(model, backbone_gain=gain))
        return model

    return make


@pytest.fixture
def seeded_weight() -> Callable[..., Any]:
    """Makes one entry of the oracles' weights: ``(name, shape)``."""
    return seeded_entry


@pytest.fixture
def smaller() -> dict[str, dict[str, int]]:
    """See :data:`SMALLER`."""
    return SMALLER


@pytest.fixture
def seeded_images() -> Callable[..., Any]:
    """Makes the oracles' input of a shape."""
    return seeded_input


def _seeded_array(name: str, shape: tuple[int, ...], gain: float) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    z = np.asarray(
        generator.standard_normal(shape, dtype=np.float32)
    )  # changed in place: some are huge
    last = name.rpartition(".")[2]
    if last == "running_var":
        np.abs(z, out=z)
        scale, offset = 0.1, 1.0
    elif last == "running_mean":
        scale, offset = 0.02, 0.0
    elif "gamma" in last:
        scale, offset = 0.1, 0.5
    elif len(shape) >= 2:
        scale, offset = math.sqrt(gain / math.prod(shape[1:])), 0.0
    elif last == "weight":
        scale, offset = 0.1, 1.0
    else:
        scale, offset = 0.02, 0.0
    z *= np.float32(scale)
    z += np.float32(offset)
    return z
