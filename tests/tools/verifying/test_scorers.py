"""One way to score, whatever runs the model."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np
import pytest
import torch

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.errors import BundleNotFoundError
from dfedge_models import DetectorModel, ModelSignature
from dfedge_tools.faceset import noise_set
from dfedge_tools.scorers import BATCH, OnnxScorer, TorchScorer


def test_both_runtimes_give_the_same_log_odds(atto: DetectorModel, atto_bundle: Bundle) -> None:
    """In float64, for more inputs than a batch and for one; in the order given."""
    assert isinstance(atto_bundle.card, DetectorCard)
    inputs = noise_set(atto_bundle.card, count=BATCH + 3).inputs
    with OnnxScorer.open(atto_bundle.path) as onnx:
        found = onnx.log_odds(inputs)
        np.testing.assert_allclose(onnx.log_odds(inputs[-1:]), found[-1:], atol=1e-5)
    assert found.shape == (BATCH + 3,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(TorchScorer(atto).log_odds(inputs), found, atol=1e-4)


class TwoLogits(DetectorModel):
    """Of clips of two frames; the second class is fake."""

    batches: ClassVar[list[int]] = []

    @property
    def signature(self) -> ModelSignature:
        """Softmax over real and fake."""
        return ModelSignature(
            img_size=2, frames=2, classes=("real", "fake"), fake_index=1, activation="softmax"
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2, 3, 2, 2) -> (B, 2)."""
        self.batches.append(len(x))
        mean = x.mean(dim=(1, 2, 3, 4))
        return torch.stack([mean, 3 * mean], dim=1)


def test_several_logits_become_the_log_odds_of_fake() -> None:
    """Under a softmax of two, their difference; and clips go one by one."""
    inputs = np.arange(3 * 24, dtype=np.float32).reshape(3, 2, 3, 2, 2)
    model = TwoLogits().train()
    found = TorchScorer(model).log_odds(inputs)
    np.testing.assert_allclose(found, 2 * inputs.mean(axis=(1, 2, 3, 4)), rtol=1e-5)
    assert model.batches == [1, 1, 1]
    assert not model.training


def test_a_scorer_is_named_after_its_model(atto_bundle: Bundle) -> None:
    """By name and version, for tables."""
    assert isinstance(atto_bundle.card, DetectorCard)
    card = msgspec.structs.replace(atto_bundle.card, name="one", version="2.0.0")
    with OnnxScorer(atto_bundle, card) as scorer:
        assert scorer.name == "one 2.0.0"


def test_a_bundle_that_is_not_there_is_named() -> None:
    """As everywhere."""
    with pytest.raises(BundleNotFoundError, match="no-such-model"):
        OnnxScorer.open("no-such-model")
