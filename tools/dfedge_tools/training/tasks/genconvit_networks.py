"""GenConViT as it is trained: with what its auto-encoder makes of a picture among its outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from dfedge_models import GenConViTED, GenConViTVAE


@dataclass(frozen=True, slots=True)
class Remade:
    """Outputs of a training step.

    Attributes:
        logits: (B, 2), of *fake* and *real*.
        error: Mean squared error of the reconstruction, in the normalized units of the input.
        divergence: Of the latent from a standard normal distribution, a mean over batch and
            values; 0 for a plain auto-encoder.
    """

    logits: torch.Tensor
    error: torch.Tensor
    divergence: torch.Tensor


class EDNetwork(nn.Module):
    """Network A."""

    def __init__(self, detector: GenConViTED) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: torch.Tensor) -> Remade:
        """(B, 3, S, S) normalized -> logits and reconstruction error."""
        picture = self.detector.reconstruction(images)
        error = F.mse_loss(picture.float(), images)
        logits = self.detector.classify(images, picture)
        return Remade(logits, error, torch.zeros_like(error))


class VAENetwork(nn.Module):
    """Network B, with the variance of the latent that its published weights never use.

    In training the latent is drawn, mean + noise x deviation; the detector itself takes the mean.
    The layer of the log-variance has as many parameters as that of the mean (315 million at
    224 px), is needed in training only and does not ship. At first every variance is 1.
    """

    def __init__(self, detector: GenConViTVAE) -> None:
        super().__init__()
        self.detector = detector
        latent, features = detector.encoder.mu.weight.shape
        self.log_variance = nn.Linear(features, latent)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.zeros_(self.log_variance.bias)

    def forward(self, images: torch.Tensor) -> Remade:
        """(B, 3, S, S) normalized -> logits, error at half the size, divergence.

        Outside training the latent is its mean, as at runtime.
        """
        features = self.detector.encoder.features(images).flatten(1)
        mean, log_variance = self.detector.encoder.mu(features), self.log_variance(features)
        latent = drawn(mean, log_variance) if self.training else mean
        half = self.detector.decode(latent)
        error = F.mse_loss(half.float(), F.avg_pool2d(images, 2))
        return Remade(self.detector.classify(images, half), error, divergence(mean, log_variance))


def drawn(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """A draw from each normal distribution, through which gradients flow (Kingma and Welling).

    Random numbers are those of the device, which the loop seeds for every batch.
    """
    return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), a mean over all values.

    For each value (mean**2 + variance - 1 - log variance) / 2.
    """
    mean, log_variance = mean.float(), log_variance.float()
    each: torch.Tensor = mean**2 + log_variance.exp() - 1 - log_variance
    return 0.5 * each.mean()
