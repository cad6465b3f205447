"""GenConViT: a ConvNeXt looks at a face and at what an auto-encoder makes of it.

Paper: Wodajo et al., "Deepfake Video Detection Using Generative Convolutional Vision Transformer"
(arXiv:2307.07036; Applied Sciences 15(12), 2025). Two networks: A with an auto-encoder (*ED*), B
with a variational one (*VAE*); a clip's score is the mean of both. The published code is GPL-3 and
is not used here; names and shapes are those of the checkpoints published with it, and what the
paper leaves open (activations, order of the features) is settled by the reference logits of
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

from dfedge_models.detector import DetectorModel, Shapes, shapes_of
from dfedge_models.genconvit_official import unused_embedder
from dfedge_models.signature import ModelSignature

IMG_SIZE = 224
STRIDE = 32
FEATURES = 1000
"""ConvNeXt's output: the paper keeps its ImageNet classifier."""
HIDDEN = 500
CLASSES = ("fake", "real")


class GenConViT(DetectorModel):
    """What both networks share: one ConvNeXt for the picture and its reconstruction, and a head.

    Input: (B, 3, S, S), RGB in [0, 1], normalised by the ImageNet mean and standard deviation.
    Output: (B, 2), one logit for *fake* and one for *real*, each with a sigmoid of its own.

    Attributes:
        img_size: side S of the input, pixels; a multiple of 32.
    """

    def __init__(self, img_size: int) -> None:
        super().__init__()
        if img_size < STRIDE or img_size % STRIDE:
            raise ValueError(f"img_size is {img_size}, it must be a multiple of {STRIDE}")
        self.img_size = img_size
        self.fc = nn.Linear(2 * FEATURES, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, len(CLASSES))

    @property
    def signature(self) -> ModelSignature:
        """Two logits with a sigmoid each, averaged over frames as probabilities."""
        return ModelSignature(
            img_size=self.img_size,
            classes=CLASSES,
            fake_index=CLASSES.index("fake"),
            activation="sigmoid",
            aggregation="mean_probability",
        )

    @property
    @abstractmethod
    def features(self) -> nn.Module:
        """The ConvNeXt that reads both pictures; its name differs between the checkpoints."""

    @abstractmethod
    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """The auto-encoder's picture of the input, (B, 3, S, S).

        In the input's own units (normalised by the ImageNet mean and standard deviation), but never
        below 0, since a ReLU ends the decoder: what is darker than the mean is lost.
        """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 2), logits of *fake* and *real*."""
        return self.classify(x, self.reconstruction(x))

    def classify(self, x: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        """A picture and its reconstruction, (B, 3, S, S) each -> (B, 2)."""
        both = self.features(torch.cat((reconstruction, x)))  # (2B, 1000)
        joined = both.reshape(2, -1, FEATURES).transpose(0, 1).flatten(1)  # (B, 2000)
        logits: torch.Tensor = self.fc2(F.gelu(self.fc(F.gelu(joined))))
        return logits


class ConvEncoder(nn.Module):
    """Five convolutions, each halving the map."""

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


class Decoder(nn.Module):
    """Transposed convolutions, each doubling the map; the picture ends with a ReLU as well."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.ConvTranspose2d(before, after, 2, stride=2), nn.ReLU()]
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 3, H * 2**layers, W * 2**layers)."""
        picture: torch.Tensor = self.features(x)
        return picture


class GenConViTED(GenConViT):
    """Network A: reconstructs through a map of 256 channels at stride 32.

    Args:
        img_size: side of the input, pixels; weights fit any multiple of 32.
    """

    def __init__(self, *, img_size: int = IMG_SIZE) -> None:
        super().__init__(img_size)
        self.encoder = ConvEncoder()
        self.decoder = Decoder(256, 128, 64, 32, 16, 3)
        self.backbone = convnext()

    @property
    def features(self) -> nn.Module:
        """See :attr:`GenConViT.features`."""
        return self.backbone

    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """See :meth:`GenConViT.reconstruction`."""
        picture: torch.Tensor = self.decoder(self.encoder(x))
        return picture

    def official_entries(self) -> Shapes:
        """Its own, and the Swin Transformer that takes no part."""
        return shapes_of(self.state_dict()) | unused_embedder("backbone")


def convnext() -> nn.Module:
    """ConvNeXt-Tiny with its classifier: (B, 3, S, S) -> (B, 1000)."""
    model: Any = timm.create_model("convnext_tiny", pretrained=False, num_classes=FEATURES)
    return model  # type: ignore[no-any-return]


def genconvit_ed(*, img_size: int = IMG_SIZE) -> GenConViTED:
    """Network A: 31 million parameters that take part, 9.2 billion multiply-adds."""
    return GenConViTED(img_size=img_size)
