"""Multi Scale Efficient Global Context Vision Transformer (MS-Eff-GCViT).

EfficientNet feeds two transformers of global context attention: a *low* branch reads the map at
stride 4 (skin texture, blending borders), a *high* branch the one at stride 32 (light, structure);
their vectors are joined and scored.

Papers: Hatamizadeh et al., "Global Context Vision Transformers" (ICML 2023); Tan and Le,
"EfficientNet" (ICML 2019). Model card: https://github.com/HanMoonSub/DeepGuard,
``deepguard/MS_EffGCViT.md`` (its code is not used here). Parameter and buffer names are those of
the checkpoints published there, so they load strictly. No weights come with this file; see
``ms_eff_gcvit.md`` for their origin and licence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torch.nn.functional as F
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
from dfedge_models.gcvit import GCViT, StageConfig

LOW_STRIDE = 4
HIGH_STRIDE = 32
INIT_STD = 0.02
"""Standard deviation of the truncated normal of everything but the backbone (model card)."""


@dataclass(frozen=True, kw_only=True)
class MSEffGCViTConfig:
    """Sizes of one variant.

    Attributes:
        backbone: timm name; the TensorFlow variants pad "same" and use their batch norm epsilon.
        img_size: side of the input the variant was published for, pixels.
        low_dim: channels of the low branch's first of four stages; they double at each.
        low_depths: blocks of each stage of the low branch; likewise `low_heads`.
        high_dim: channels of the high branch, which has one stage.
    """

    backbone: str
    img_size: int
    low_dim: int
    low_depths: tuple[int, int, int, int]
    low_heads: tuple[int, int, int, int]
    high_dim: int
    high_depth: int
    high_heads: int
    mlp_ratio: float

    def low_stages(self, img_size: int) -> tuple[StageConfig, ...]:
        """Stages at strides 4, 8, 16 and 32; stride 16 attends over its whole map."""
        window = img_size // HIGH_STRIDE
        return tuple(
            StageConfig(
                dim=self.low_dim * 2**index,
                depth=self.low_depths[index],
                heads=self.low_heads[index],
                window=window * (2 if index == 2 else 1),
                query_pools=(3, 2, 0, 0)[index],
                mlp_ratio=self.mlp_ratio,
            )
            for index in range(4)
        )

    def high_stages(self, img_size: int) -> tuple[StageConfig, ...]:
        """One stage at stride 32 whose single window is the whole map."""
        return (
            StageConfig(
                dim=self.high_dim,
                depth=self.high_depth,
                heads=self.high_heads,
                window=img_size // HIGH_STRIDE,
                query_pools=0,
                mlp_ratio=self.mlp_ratio,
            ),
        )


CONFIGS = {
    "ms_eff_gcvit_b0": MSEffGCViTConfig(
        backbone="tf_efficientnet_b0",
        img_size=224,
        low_dim=24,
        low_depths=(2, 2, 4, 2),
        low_heads=(1, 2, 4, 8),
        high_dim=256,
        high_depth=4,
        high_heads=4,
        mlp_ratio=4.0,
    ),
    "ms_eff_gcvit_b5": MSEffGCViTConfig(
        backbone="tf_efficientnet_b5",
        img_size=384,
        low_dim=48,
        low_depths=(2, 2, 6, 2),
        low_heads=(2, 4, 8, 16),
        high_dim=512,
        high_depth=6,
        high_heads=16,
        mlp_ratio=3.0,
    ),
}


class FeatureExtractor(nn.Module):
    """EfficientNet's maps at strides 2, 4, 8, 16 and 32."""

    def __init__(self, name: str, *, in_chans: int, drop_path_rate: float) -> None:
        super().__init__()
        self.backbone = timm.create_model(
            name,
            pretrained=False,
            features_only=True,
            in_chans=in_chans,
            drop_path_rate=drop_path_rate,
        )

    @property
    def map_channels(self) -> dict[int, int]:
        """Channels of each map, by stride."""
        info: Any = self.backbone.feature_info
        return dict(zip(info.reduction(), info.channels(), strict=True))

    def forward(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        """(B, 3, S, S) -> stride: (B, C, S / stride, S / stride)."""
        return dict(zip(self.map_channels, self.backbone(x), strict=True))


class MSEffGCViT(FrameDetector):
    """Two scales of an EfficientNet, each read by a GCViT, joined to one logit.

    Args:
        cfg: sizes of the variant (the name that timm's builder uses).
        img_size: a multiple of 32, pixels. Windows grow with it, so weights of another size load
            only through :func:`resize_windows`.
        drop_rate: dropout before the last layer.
        drop_path_rate: stochastic depth in the backbone and, rising with depth, in the branches.
    """

    def __init__(
        self,
        cfg: MSEffGCViTConfig,
        *,
        img_size: int | None = None,
        num_classes: int = 1,
        in_chans: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        size = checked_side(cfg.img_size if img_size is None else img_size, HIGH_STRIDE)
        self.img_size = size
        self.num_classes = num_classes
        self.feat_extractor = FeatureExtractor(
            cfg.backbone, in_chans=in_chans, drop_path_rate=drop_path_rate
        )
        self.map_channels = self.feat_extractor.map_channels
        low, high = cfg.low_stages(size), cfg.high_stages(size)
        self.l_gcvit = GCViT(self.map_channels[LOW_STRIDE], low, drop_path_rate=drop_path_rate)
        self.h_gcvit = GCViT(self.map_channels[HIGH_STRIDE], high, drop_path_rate=drop_path_rate)
        fused = low[-1].dim + high[-1].dim
        self.head = nn.Sequential(
            nn.LayerNorm(fused),
            nn.Linear(fused, fused // 2),
            nn.GELU(),
            nn.Dropout(drop_rate),
            nn.Linear(fused // 2, num_classes),
        )
        for part in (self.l_gcvit, self.h_gcvit, self.head):
            part.apply(_init_weights)

    def no_weight_decay(self) -> set[str]:
        """Parameters an optimiser should not shrink, besides biases and norms (model card)."""
        return {
            name
            for name, _ in self.named_parameters()
            if name.endswith(".relative_position_bias_table")
        }

    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(B, 3, S, S) -> logits (B, 1) and the backbone's maps at strides 2, 4, 8, 16, 32."""
        maps = self.feat_extractor(x)
        low, high = self.l_gcvit(maps[LOW_STRIDE]), self.h_gcvit(maps[HIGH_STRIDE])
        return self.head(torch.cat((low, high), dim=1)), maps

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over the EfficientNet of a state; see :meth:`FrameDetector.load_backbone`."""
        load_exactly(self.feat_extractor.backbone, backbone_entries(state), what="the backbone")


def resize_windows(state: Mapping[str, torch.Tensor], model: MSEffGCViT) -> dict[str, torch.Tensor]:
    """A state trained at one `img_size` for a model of another: position biases are interpolated.

    The indices into them are the model's own. A state of the model's size comes back as it is.
    """
    own = model.state_dict()
    resized = dict(state)
    for name, value in state.items():
        if name not in own or own[name].shape == value.shape:
            continue
        if name.endswith(".relative_position_index"):
            resized[name] = own[name]
        elif name.endswith(".relative_position_bias_table"):
            resized[name] = _resize_table(value, rows=own[name].shape[0])
    return resized


def _resize_table(table: torch.Tensor, *, rows: int) -> torch.Tensor:
    """Bicubic over the offsets: ((2w - 1) squared, heads) -> (`rows`, heads)."""
    old, new = math.isqrt(table.shape[0]), math.isqrt(rows)
    grid = table.T.reshape(1, -1, old, old).float()
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=True)
    return grid.reshape(-1, rows).T.contiguous().to(table.dtype)


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for name, parameter in module.named_parameters(recurse=False):
        if name == "relative_position_bias_table":
            nn.init.trunc_normal_(parameter, std=INIT_STD)


def _default_cfg(config: MSEffGCViTConfig) -> dict[str, Any]:
    return {
        "url": "",
        "num_classes": 1,
        "input_size": (3, config.img_size, config.img_size),
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "first_conv": "feat_extractor.backbone.conv_stem",
        "classifier": "head.4",
        "paper_ids": "arXiv:2206.09959",
        "origin_url": "https://github.com/HanMoonSub/DeepGuard",
    }


default_cfgs = generate_default_cfgs(
    {name: _default_cfg(config) for name, config in CONFIGS.items()}
)


def _create(name: str, pretrained: bool, **options: Any) -> MSEffGCViT:
    model: MSEffGCViT = build_model_with_cfg(
        MSEffGCViT,
        name,
        pretrained,
        model_cfg=CONFIGS[name],
        pretrained_filter_fn=resize_windows,
        kwargs_filter=("global_pool",),
        **options,
    )
    return model


@register_model
def ms_eff_gcvit_b0(pretrained: bool = False, **options: Any) -> MSEffGCViT:
    """8.7 million parameters, 0.83 billion multiply-adds at 224 px."""
    return _create("ms_eff_gcvit_b0", pretrained, **options)


@register_model
def ms_eff_gcvit_b5(pretrained: bool = False, **options: Any) -> MSEffGCViT:
    """50.3 million parameters, 13.6 billion multiply-adds at 384 px."""
    return _create("ms_eff_gcvit_b5", pretrained, **options)
