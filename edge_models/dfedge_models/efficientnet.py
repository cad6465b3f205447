"""EfficientNet-B0 as a detector of one logit, built on timm's backbone.

Paper: Tan and Le, "EfficientNet" (ICML 2019). Code of the backbone: timm (Apache-2.0). It is the
backbone of MS-Eff-GCViT b0 by the same parameter names, with a pooled linear head on its last map.
No weights come with this file; see ``efficientnet.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from dfedge_models.detector import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    FrameDetector,
    backbone_entries,
    checked_side,
    load_exactly,
)

IMG_SIZE = 224
STRIDE = 32
BACKBONE = "tf_efficientnet_b0"


class EfficientNetDetector(FrameDetector):
    """A timm EfficientNet up to its last map, averaged, with one output; any side of 32 n pixels.

    Args:
        drop_rate: dropout before the last layer.
        drop_path_rate: stochastic depth, rising with depth.
    """

    def __init__(
        self,
        backbone: str = BACKBONE,
        *,
        img_size: int = IMG_SIZE,
        num_classes: int = 1,
        in_chans: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.img_size = checked_side(img_size, STRIDE)
        self.num_classes = num_classes
        self.backbone: Any = timm.create_model(
            backbone,
            pretrained=False,
            features_only=True,
            in_chans=in_chans,
            drop_path_rate=drop_path_rate,
        )
        maps: Any = self.backbone.feature_info
        self.map_channels = dict(zip(maps.reduction(), maps.channels(), strict=True))
        self.dropout = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(self.map_channels[STRIDE], num_classes)

    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(B, 3, S, S) -> logits (B, 1) and the maps at strides 2, 4, 8, 16, 32."""
        maps = dict(zip(self.map_channels, self.backbone(x), strict=True))
        logits: torch.Tensor = self.classifier(self.dropout(maps[STRIDE].mean(dim=(2, 3))))
        return logits, maps

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over all but the classifier; see :meth:`FrameDetector.load_backbone`."""
        load_exactly(self.backbone, backbone_entries(state), what="the backbone")


default_cfgs = generate_default_cfgs(
    {
        "dfedge_efficientnet_b0": {
            "url": "",
            "num_classes": 1,
            "input_size": (3, IMG_SIZE, IMG_SIZE),
            "crop_pct": 1.0,
            "interpolation": "bilinear",
            "mean": IMAGENET_MEAN,
            "std": IMAGENET_STD,
            "first_conv": "backbone.conv_stem",
            "classifier": "classifier",
            "paper_ids": "arXiv:1905.11946",
        }
    }
)


@register_model
def dfedge_efficientnet_b0(pretrained: bool = False, **options: Any) -> EfficientNetDetector:
    """3.6 million parameters, 0.38 billion multiply-adds at 224 px."""
    model: EfficientNetDetector = build_model_with_cfg(
        EfficientNetDetector,
        "dfedge_efficientnet_b0",
        pretrained,
        kwargs_filter=("global_pool",),
        **options,
    )
    return model
