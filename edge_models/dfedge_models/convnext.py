"""ConvNeXt as a detector of one logit, built on timm's backbone.

Papers: Liu et al., "A ConvNet for the 2020s" (CVPR 2022); Woo et al., "ConvNeXt V2" (CVPR 2023)
for the widths of Atto and Femto. Code of the backbone: timm (Apache-2.0). No weights come with this
file; see ``convnext.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

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
HEAD_PREFIX = "head.fc."
"""The classifier in timm's ConvNeXt; all the rest is the backbone."""


class ConvNeXtDetector(FrameDetector):
    """A timm ConvNeXt with one output; any input whose side is a multiple of 32.

    Args:
        cfg: timm's name of the backbone (the name that timm's builder uses).
        drop_rate: dropout before the last layer.
        drop_path_rate: stochastic depth, rising with depth.
    """

    def __init__(
        self,
        cfg: str,
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
            cfg,
            pretrained=False,
            num_classes=num_classes,
            in_chans=in_chans,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
        )
        maps: Any = self.backbone.feature_info
        self.map_channels = {info["reduction"]: info["num_chs"] for info in maps}

    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(B, 3, S, S) -> logits (B, 1) and the maps at strides 4, 8, 16, 32."""
        final, maps = self.backbone.forward_intermediates(x)
        logits: torch.Tensor = self.backbone.forward_head(final)
        return logits, dict(zip(self.map_channels, maps, strict=True))

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over all but the classifier; see :meth:`FrameDetector.load_backbone`."""
        entries = backbone_entries(state)
        kept = {name for name in self.backbone.state_dict() if name.startswith(HEAD_PREFIX)}
        own = {name: self.backbone.state_dict()[name] for name in kept}
        body = {name: value for name, value in entries.items() if name not in kept}
        load_exactly(self.backbone, {**body, **own}, what="the backbone")


def _default_cfg() -> dict[str, Any]:
    return {
        "url": "",
        "num_classes": 1,
        "input_size": (3, IMG_SIZE, IMG_SIZE),
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "first_conv": "backbone.stem.0",
        "classifier": "backbone.head.fc",
        "paper_ids": "arXiv:2201.03545",
    }


default_cfgs = generate_default_cfgs(
    {f"dfedge_convnext_{size}": _default_cfg() for size in ("atto", "femto", "tiny")}
)


def _create(variant: str, pretrained: bool, **options: Any) -> ConvNeXtDetector:
    model: ConvNeXtDetector = build_model_with_cfg(
        ConvNeXtDetector,
        f"dfedge_{variant}",
        pretrained,
        model_cfg=variant,
        kwargs_filter=("global_pool",),
        **options,
    )
    return model


@register_model
def dfedge_convnext_atto(pretrained: bool = False, **options: Any) -> ConvNeXtDetector:
    """3.4 million parameters, 0.55 billion multiply-adds at 224 px."""
    return _create("convnext_atto", pretrained, **options)


@register_model
def dfedge_convnext_femto(pretrained: bool = False, **options: Any) -> ConvNeXtDetector:
    """4.8 million parameters, 0.79 billion multiply-adds at 224 px."""
    return _create("convnext_femto", pretrained, **options)


@register_model
def dfedge_convnext_tiny(pretrained: bool = False, **options: Any) -> ConvNeXtDetector:
    """27.8 million parameters, 4.5 billion multiply-adds at 224 px."""
    return _create("convnext_tiny", pretrained, **options)
