"""GenConViT: a ConvNeXt looks at a face and at what an auto-encoder makes of it.

Paper: Wodajo et al., "Deepfake Video Detection Using Generative Convolutional Vision Transformer"
(arXiv:2307.07036; Applied Sciences 15(12), 2025). Network A has an auto-encoder (*ED*), network B
a variational one (*VAE*); ``genconvit_ensemble.py`` joins both. The published code is GPL-3 and is
not used here; names and shapes are those of the checkpoints published with it, and what the paper
leaves open (activations, order of the features) is settled by the reference logits of
``tests/edge_models/test_oracles.py``. The ConvNeXt is timm's (Apache-2.0). No weights come with
this file; see ``genconvit.md`` for their origin and licence.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import nn

from dfedge_models.detector import DetectorModel, Shapes, checked_side, shapes_of
from dfedge_models.genconvit_official import unused_embedder, unused_head, unused_latent
from dfedge_models.signature import ModelSignature

IMG_SIZE = 224
STRIDE = 32
FEATURES = 1000
"""ConvNeXt's output: the paper keeps its ImageNet classifier."""
HIDDEN = 500
CLASSES = ("fake", "real")


class GenConViT(DetectorModel):
    """What both networks share: the shape of input and output, and of the head.

    Input: (B, 3, S, S), RGB in [0, 1], normalised by the ImageNet mean and standard deviation.
    Output: (B, 2), one logit for *fake* and one for *real*, each with a sigmoid of its own.

    Attributes:
        img_size: side S of the input, pixels; a multiple of 32.
    """

    def __init__(self, img_size: int) -> None:
        super().__init__()
        self.img_size = checked_side(img_size, STRIDE)
        self.fc = nn.Linear(2 * FEATURES, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, len(CLASSES))

    @property
    def signature(self) -> ModelSignature:
        """Two logits with a sigmoid each, averaged over frames as probabilities."""
        return genconvit_signature(self.img_size)

    @abstractmethod
    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """The auto-encoder's picture of the input, (B, 3, S, S).

        In the input's own units (normalised by the ImageNet mean and standard deviation). The
        decoder ends with a rectifier, so that what is darker than the mean is lost: nothing is
        below 0 (ED), or what is has a hundredth of its size (VAE).
        """


class GenConViTED(GenConViT):
    """Network A: reconstructs through a map of 256 channels at stride 32.

    Args:
        img_size: side of the input, pixels; weights fit any multiple of 32.
    """

    def __init__(self, *, img_size: int = IMG_SIZE) -> None:
        super().__init__(img_size)
        self.encoder = EDEncoder()
        self.decoder = Decoder(256, 128, 64, 32, 16, 3, activation=nn.ReLU)
        self.backbone = convnext()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 2), logits of *fake* and *real*."""
        return self.classify(x, self.reconstruction(x))

    def classify(self, x: torch.Tensor, remade: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of pictures and of what the auto-encoder made of them, (B, 3, S, S) each.

        Training calls it, since it needs the reconstruction as well.
        """
        pictures = torch.cat((remade, x))  # the backbone reads both at once
        features = self.backbone(pictures).reshape(2, -1, FEATURES)  # (2, B, 1000)
        joined = features.transpose(0, 1).flatten(1)  # (B, 2000)
        logits: torch.Tensor = self.fc2(F.gelu(self.fc(F.gelu(joined))))
        return logits

    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """See :meth:`GenConViT.reconstruction`."""
        picture: torch.Tensor = self.decoder(self.encoder(x))
        return picture

    def official_entries(self) -> Shapes:
        """Its own, and the Swin Transformer that takes no part."""
        return shapes_of(self.state_dict()) | unused_embedder("backbone")


class GenConViTVAE(GenConViT):
    """Network B: reconstructs at half the size, through a latent vector.

    The published network draws its latent anew for each picture, so that the same picture gets
    another score each time. Here the latent is its mean; the drawing is there on request.

    Args:
        img_size: side of the input, pixels; a multiple of 32. The latent grows with it, so weights
            fit one size only: 224 for the published ones.
    """

    def __init__(self, *, img_size: int = IMG_SIZE) -> None:
        super().__init__(img_size)
        self.encoder = VAEEncoder(img_size)
        self.decoder = Decoder(256, 64, 32, 16, 3, activation=nn.LeakyReLU)
        self.convnext_backbone = convnext()

    def forward(
        self,
        x: torch.Tensor,
        *,
        sample_latent: bool = False,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 2), logits of *fake* and *real*.

        Args:
            x: pictures.
            sample_latent: draw the latent as the published network does, instead of its mean.
            generator: that the drawing takes its numbers from; needed for it.

        Raises:
            ValueError: the latent is to be drawn and there is no generator.
        """
        if sample_latent and generator is None:
            raise ValueError("sample_latent draws random numbers; give a generator with a seed")
        return self.classify(x, self._half_size(x, generator if sample_latent else None))

    def classify(self, x: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of pictures (B, 3, S, S) and of reconstructions (B, 3, S / 2, S / 2).

        Training calls it, and :meth:`decode`, since it draws the latent in its own way.
        """
        joined = torch.cat((self.convnext_backbone(x), self.convnext_backbone(half)), dim=1)
        logits: torch.Tensor = self.fc2(F.relu(self.fc(F.relu(joined))))
        return logits

    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """See :meth:`GenConViT.reconstruction`; enlarged from (B, 3, S / 2, S / 2)."""
        half = self._half_size(x, None)
        return F.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)

    def official_entries(self) -> Shapes:
        """Its own, and a Swin Transformer and layers about the latent that take no part."""
        latent, features = self.encoder.mu.weight.shape
        return (
            shapes_of(self.state_dict())
            | unused_embedder("convnext_backbone")
            | unused_latent(features, latent)
            | unused_head(FEATURES, HIDDEN)
        )

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """(B, 256 * (S / 32)**2) -> (B, 3, S / 2, S / 2), units as of the input."""
        side = self.img_size // STRIDE
        picture: torch.Tensor = self.decoder(
            latent.reshape(-1, latent.shape[1] // side**2, side, side)
        )
        return picture

    def _half_size(self, x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        mean = self.encoder(x)
        if generator is not None:  # the published network takes the mean for the variance as well
            device = generator.device  # equal seeds give equal numbers wherever the model runs
            noise = torch.randn(mean.shape, generator=generator, device=device, dtype=mean.dtype)
            mean = mean + noise.to(mean.device) * torch.exp(0.5 * mean)
        return self.decode(mean)


class EDEncoder(nn.Module):
    """Five convolutions, each followed by a pooling that halves the map."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((3, 16, 32, 64, 128, 256)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 256, S / 32, S / 32)."""
        maps: torch.Tensor = self.features(x)
        return maps


class VAEEncoder(nn.Module):
    """Four convolutions of stride 2, and the mean of the latent."""

    def __init__(self, img_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((3, 16, 32, 64, 128)):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers += [convolution, nn.BatchNorm2d(after), nn.LeakyReLU()]
        self.features = nn.Sequential(*layers)
        self.mu = nn.Linear(128 * (img_size // 16) ** 2, 256 * (img_size // STRIDE) ** 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 256 * (S / 32)**2)."""
        mean: torch.Tensor = self.mu(self.features(x).flatten(1))
        return mean


class Decoder(nn.Module):
    """Transposed convolutions, each doubling the map and rectified, the last one too.

    Args:
        channels: of the map before the first and after each; those of a picture at last.
    """

    def __init__(self, *channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.ConvTranspose2d(before, after, 2, stride=2), activation()]
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 3, H * 2**layers, W * 2**layers)."""
        picture: torch.Tensor = self.features(x)
        return picture


def convnext() -> Any:
    """ConvNeXt-Tiny with its classifier: (B, 3, S, S) -> (B, 1000), S any multiple of 32 or 16."""
    return timm.create_model("convnext_tiny", pretrained=False, num_classes=FEATURES)


def genconvit_signature(img_size: int) -> ModelSignature:
    """Input and output of both networks, and of the two as one."""
    return ModelSignature(
        img_size=img_size,
        classes=CLASSES,
        fake_index=CLASSES.index("fake"),
        activation="sigmoid",
        aggregation="mean_probability",
    )


def genconvit_ed(*, img_size: int = IMG_SIZE) -> GenConViTED:
    """Network A: 30 million parameters, 9.2 billion multiply-adds at 224 px."""
    return GenConViTED(img_size=img_size)


def genconvit_vae(*, img_size: int = IMG_SIZE) -> GenConViTVAE:
    """Network B: 344 million parameters at 224 px, 315 million of them for the latent's mean."""
    return GenConViTVAE(img_size=img_size)
