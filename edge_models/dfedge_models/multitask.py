"""A detector of several tasks that looks at a face and at its frequencies.

A ConvNeXt-Tiny reads the picture, a small CNN its Fourier, cosine and high-pass maps; both vectors
are fused and read by four heads. Built after the description of an InSwapper detector (its
architecture, sizes and weights of tasks); its code is not used here. Paper of the backbone: Liu et
al., "A ConvNet for the 2020s" (CVPR 2022); the backbone is timm's (Apache-2.0). No weights come
with this file; see ``multitask.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn

from dfedge_models.convnext import HEAD_PREFIX
from dfedge_models.detector import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    FrameDetector,
    backbone_entries,
    checked_side,
    load_exactly,
)
from dfedge_models.frequency import FrequencyBranch
from dfedge_models.mixture import mixture_logit
from dfedge_models.signature import ModelSignature

IMG_SIZE = 256
STRIDE = 64
"""Of the frequency branch's grid; the backbone needs 32."""
RGB_FEATURES = 768
FREQUENCY_FEATURES = 256
FUSED = 512
FUSION = {"real_fake": 0.55, "inswapper": 0.30, "boundary": 0.15}
"""Share of each head's probability in the score."""
QUALITY = ("clean", "compressed", "heavily_compressed")
"""Classes of the head for quality, by what a codec left: as good as nothing lost; as video sites
encode (FaceForensics++ c23, JPEG about 75); blocks and smears (c40, JPEG below 50)."""


class MultiTaskDetector(FrameDetector):
    """ConvNeXt-Tiny and frequencies, fused, with four heads and one score.

    Args:
        img_size: side of the input, pixels; a multiple of 64. Weights fit any.
        drop_rate: dropout before the heads.
        drop_path_rate: stochastic depth of the backbone, rising with depth.
    """

    def __init__(
        self,
        *,
        img_size: int = IMG_SIZE,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.img_size = checked_side(img_size, STRIDE)
        self.backbone: Any = timm.create_model(
            "convnext_tiny", pretrained=False, num_classes=0, drop_path_rate=drop_path_rate
        )
        maps: Any = self.backbone.feature_info
        self.map_channels = {info["reduction"]: info["num_chs"] for info in maps}
        self.frequency = FrequencyBranch(
            img_size, FREQUENCY_FEATURES, mean=IMAGENET_MEAN, std=IMAGENET_STD
        )
        self.fusion = nn.Sequential(
            nn.Linear(RGB_FEATURES + FREQUENCY_FEATURES, FUSED), nn.GELU(), nn.Dropout(drop_rate)
        )
        heads = {name: nn.Linear(FUSED, 1) for name in FUSION}
        self.heads = nn.ModuleDict({**heads, "quality": nn.Linear(FUSED, len(QUALITY))})

    @property
    def signature(self) -> ModelSignature:
        """One logit, ImageNet's normalisation, probabilities averaged over frames."""
        return ModelSignature(img_size=self.img_size, aggregation="mean_probability")

    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(B, 3, S, S) -> logit of the fused score (B, 1), and maps at strides 4, 8, 16, 32.

        The score is 0.55 real/fake + 0.30 InSwapper + 0.15 boundary, of the heads' sigmoids.
        """
        fused, maps = self._fused(x)
        logits = [self.heads[name](fused) for name in FUSION]
        return mixture_logit(logits, tuple(FUSION.values())), maps

    def forward_heads(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 3, S, S) -> logits by head, for training.

        Returns:
            ``real_fake``, ``inswapper`` (the face was swapped by InSwapper) and ``boundary`` (a
            blending border is seen), (B, 1) each, of a sigmoid; ``quality``, (B, 3), of a softmax
            over :data:`QUALITY`.
        """
        fused, _ = self._fused(x)
        return {name: head(fused) for name, head in self.heads.items()}

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over ConvNeXt-Tiny, of its own state or of a detector; its classifier is left out.

        See :meth:`FrameDetector.load_backbone`.
        """
        body = {
            name: value
            for name, value in backbone_entries(state).items()
            if not name.startswith(HEAD_PREFIX)
        }
        load_exactly(self.backbone, body, what="the backbone")

    def _fused(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        final, maps = self.backbone.forward_intermediates(x)
        seen = self.backbone.forward_head(final)  # (B, 768)
        fused: torch.Tensor = self.fusion(torch.cat((seen, self.frequency(x)), dim=1))
        return fused, dict(zip(self.map_channels, maps, strict=True))


def dfedge_convnext_tiny_multitask(
    *, img_size: int = IMG_SIZE, drop_rate: float = 0.0, drop_path_rate: float = 0.0
) -> MultiTaskDetector:
    """29 million parameters, 6.1 billion multiply-adds at 256 px."""
    return MultiTaskDetector(img_size=img_size, drop_rate=drop_rate, drop_path_rate=drop_path_rate)
