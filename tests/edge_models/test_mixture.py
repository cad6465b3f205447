"""The logit of a mean of probabilities."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")

import torch

from dfedge_models import mixture_logit


def test_it_is_the_logit_of_the_weighted_mean() -> None:
    """Against the plain formula in double precision."""
    logits = 4 * torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = (0.55, 0.30, 0.15)
    expected = sum(weight * logit.sigmoid() for weight, logit in zip(weights, logits, strict=True))
    assert isinstance(expected, torch.Tensor)
    assert torch.allclose(expected.logit(), mixture_logit(logits.unbind(), weights))


def test_it_keeps_what_a_probability_in_single_precision_would_lose() -> None:
    """Two sure networks stay as sure, instead of infinitely so."""
    for logit in (80.0, -80.0):
        both = mixture_logit((torch.tensor([logit]), torch.tensor([logit])), (0.5, 0.5))
        assert both.item() == pytest.approx(logit)


def test_one_network_alone_is_itself() -> None:
    """With the whole weight."""
    logit = torch.tensor([-3.0, 0.0, 5.0])
    assert torch.allclose(logit, mixture_logit((logit,), (1.0,)), atol=1e-6)
