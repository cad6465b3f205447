"""Networks as they are trained: a detector with a mask head beside it.

The mask head says, for every 8 x 8 cell, whether it was manipulated. That dense target is what
teaches a network from scratch to see blending at all; it is dropped after training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import timm
import torch
from torch import nn

import dfedge_models  # noqa: F401  (registers the detectors with timm)
from dfedge_models.detector import FrameDetector

DETECTOR = "ms_eff_gcvit_b0"


class MaskHead(nn.Module):
    """Mask logits at stride 8 from features at strides 4, 8 and 16.

    Args:
        channels: Channels of the features, by stride.
    """

    def __init__(self, channels: Mapping[int, int], width: int = 48) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels[4], width, 1, bias=False))
        self.middle = nn.Conv2d(channels[8], width, 1, bias=False)
        self.deep = nn.Conv2d(channels[16], width, 1, bias=False)
        self.mix = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, low: torch.Tensor, middle: torch.Tensor, deep: torch.Tensor) -> torch.Tensor:
        """(B, C4, S/4, S/4), (B, C8, S/8, S/8), (B, C16, S/16, S/16) -> (B, 1, S/8, S/8)."""
        raised = nn.functional.interpolate(
            self.deep(deep), size=middle.shape[-2:], mode="bilinear", align_corners=False
        )
        return cast(torch.Tensor, self.mix(self.low(low) + self.middle(middle) + raised))


class DetectorTrainer(nn.Module):
    """A whole detector with a mask head on its backbone's maps.

    Args:
        architecture: one of :func:`dfedge_models.names` that gives maps at strides 4, 8 and 16.
    """

    def __init__(
        self,
        architecture: str = DETECTOR,
        *,
        side: int = 224,
        drop_rate: float = 0.2,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        detector = timm.create_model(
            architecture,
            pretrained=False,
            img_size=side,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.detector = cast(FrameDetector, detector)
        self.mask_head = MaskHead(self.detector.map_channels)

    @property
    def backbone(self) -> nn.Module:
        """All that sees the picture first: an EfficientNet, or the whole of a ConvNeXt."""
        inner = "backbone" if hasattr(self.detector, "backbone") else "feat_extractor.backbone"
        return self.detector.get_submodule(inner)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S) normalized -> logits (B,) and mask logits (B, 1, S/8, S/8)."""
        logits, maps = self.detector.forward_with_maps(images)
        return logits[:, 0], self.mask_head(maps[4], maps[8], maps[16])

    def start_from(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over backbone and mask head of a stage that trained another detector on them.

        Raises:
            ValueError: The state is of another network.
        """
        prefix = "mask_head."
        head = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self.detector.load_backbone({k.removeprefix("detector."): v for k, v in state.items()})
        self.mask_head.load_state_dict(head)
