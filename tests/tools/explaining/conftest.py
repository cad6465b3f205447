"""Small models and scores that the tests of explaining share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from dfedge.types import Tensor

SIDE = 64


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small maps are quicker on one thread, and other tests keep what they had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def x() -> Tensor:
    """An input with detail everywhere, (3, SIDE, SIDE)."""
    return np.random.default_rng(3).standard_normal((3, SIDE, SIDE), dtype=np.float32)
