"""GenConViT in training: the same network, with what its loss needs beside the logits."""

from __future__ import annotations

import math

import pytest
import torch

from dfedge_models import GenConViTED, GenConViTVAE
from dfedge_tools.training.tasks.genconvit_networks import (
    EDNetwork,
    VAENetwork,
    divergence,
    drawn,
)

SIDE = 64


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two of noise."""
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_divergence_by_hand() -> None:
    """N(2, e) from N(0, 1): (4 + e - 1 - 1) / 2; a mean with N(0, 1) itself halves it."""
    mean, log_variance = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert pytest.approx((2 + math.e) / 4) == float(divergence(mean, log_variance))


def test_draws_have_the_said_mean_and_variance() -> None:
    """A hundred thousand draws of N(3, 4)."""
    torch.manual_seed(0)
    found = drawn(torch.full((100_000,), 3.0), torch.full((100_000,), math.log(4.0)))
    assert pytest.approx(3.0, abs=0.03) == float(found.mean())
    assert pytest.approx(2.0, abs=0.03) == float(found.std())


def test_error_of_the_plain_auto_encoder_by_hand(
    small_networks: None, pictures: torch.Tensor
) -> None:
    """The mean square of picture minus reconstruction, and no divergence."""
    net = EDNetwork(GenConViTED(img_size=SIDE)).eval()
    with torch.no_grad():
        out = net(pictures)
        remade = net.detector.reconstruction(pictures)
    assert pytest.approx(float((remade - pictures).pow(2).mean())) == float(out.error)
    assert 0.0 == float(out.divergence)


@pytest.mark.parametrize(
    ("network", "detector"), [(EDNetwork, GenConViTED), (VAENetwork, GenConViTVAE)]
)
def test_logits_are_those_of_the_detector(
    small_networks: None, pictures: torch.Tensor, network: type, detector: type
) -> None:
    """Outside training both give the same numbers, to the bit."""
    net = network(detector(img_size=SIDE)).eval()
    with torch.no_grad():
        assert torch.equal(net.detector(pictures), net(pictures).logits)


def test_the_latent_is_drawn_in_training_only(small_networks: None, pictures: torch.Tensor) -> None:
    """Two passes differ in training, by nothing but the seed, and are equal outside of it."""
    torch.manual_seed(0)
    net = VAENetwork(GenConViTVAE(img_size=SIDE))
    net.detector.encoder.eval()  # its norms would count the pictures

    def logits(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with torch.no_grad():
            found: torch.Tensor = net(pictures).logits
        return found

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    net.eval()
    assert torch.equal(logits(1), logits(2))


def test_the_error_of_the_variational_one_is_at_half_the_size(
    small_networks: None, pictures: torch.Tensor
) -> None:
    """Against the picture averaged over 2 x 2 pixels."""
    net = VAENetwork(GenConViTVAE(img_size=SIDE)).eval()
    with torch.no_grad():
        half = net.detector.decode(net.detector.encoder(pictures))
        small = pictures.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean(dim=(3, 5))
        assert pytest.approx(float((half - small).pow(2).mean())) == float(net(pictures).error)
