"""Layers of the Global Context Vision Transformer.

Paper: Hatamizadeh, Yin, Heinrich, Kautz, Molchanov, "Global Context Vision Transformers",
ICML 2023, https://arxiv.org/abs/2206.09959. Original code: https://github.com/NVlabs/GCViT (not
used here: this is written from the paper). Module names are those of the public MS-Eff-GCViT
checkpoints, so that their weights load as they are.

Maps are channels first, (B, C, H, W), in convolutions and channels last, (B, H, W, C), in
attention. Everything is a plain operator that ONNX has; there is no shift, roll or mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from timm.layers.drop import DropPath
from torch import nn

SE_REDUCTION = 4
"""Squeeze-and-excitation keeps a quarter of the channels (paper, section 3.2)."""


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage: blocks of one width whose attention alternates local, global, local, ...

    Attributes:
        dim: channels.
        window: side of the attention windows, cells; the map's side is a multiple of it.
        query_pools: halvings that bring the stage's map to one window.
        mlp_ratio: hidden over outer width of the perceptrons.
    """

    dim: int
    depth: int
    heads: int
    window: int
    query_pools: int
    mlp_ratio: float


class SqueezeExcite(nn.Module):
    """Scales each channel by what its global mean says."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = dim // SE_REDUCTION
        self.fc = nn.Sequential(
            nn.Linear(dim, hidden, bias=False),
            nn.GELU(),
            nn.Linear(hidden, dim, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        scale: torch.Tensor = self.fc(x.mean(dim=(2, 3)))
        return x * scale[:, :, None, None]


def fused_mb_conv(dim: int) -> nn.Sequential:
    """The paper's modified Fused-MBConv without its shortcut, (B, C, H, W) -> (B, C, H, W)."""
    return nn.Sequential(
        nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False),
        nn.GELU(),
        SqueezeExcite(dim),
        nn.Conv2d(dim, dim, 1, bias=False),
    )


class FusedMBConv(nn.Module):
    """The block with its shortcut; halves the map when `pool` is set."""

    def __init__(self, dim: int, *, pool: bool = False) -> None:
        super().__init__()
        self.mb_conv = fused_mb_conv(dim)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same, or (B, C, H/2, W/2)."""
        pooled: torch.Tensor = self.pool(x + self.mb_conv(x))
        return pooled


class PatchEmbed(nn.Module):
    """Brings a map of the backbone to the width of the first stage."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Conv2d(in_dim, dim, 1), FusedMBConv(dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, H, W, C)."""
        embedded: torch.Tensor = self.norm(self.proj(x).permute(0, 2, 3, 1))
        return embedded


class Downsample(nn.Module):
    """Halves the map and doubles the width between two stages."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mb_conv = fused_mb_conv(dim)
        self.reduction = nn.Conv2d(dim, 2 * dim, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(2 * dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H/2, W/2, 2C)."""
        x = self.norm1(x).permute(0, 3, 1, 2)  # (B, C, H, W)
        x = self.reduction(x + self.mb_conv(x)).permute(0, 2, 3, 1)  # (B, H/2, W/2, 2C)
        reduced: torch.Tensor = self.norm2(x)
        return reduced


class GlobalQuery(nn.Module):
    """Pools the whole map to one window of queries that every global window of the stage shares."""

    def __init__(self, dim: int, heads: int, pools: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q_global = nn.Sequential(
            *(FusedMBConv(dim, pool=pools > 0) for _ in range(max(1, pools)))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, heads, window * window, C / heads)."""
        query = self.to_q_global(x.permute(0, 3, 1, 2)).flatten(2)  # (B, C, N)
        per_head: torch.Tensor = query.unflatten(1, (self.heads, -1)).transpose(2, 3)
        return per_head


class WindowAttention(nn.Module):
    """Self-attention within windows with a learned bias for each relative position.

    With `use_global` the windows bring keys and values only, and the query is the stage's.
    """

    relative_position_index: torch.Tensor

    def __init__(self, dim: int, heads: int, window: int, *, use_global: bool) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = dim // heads
        self.use_global = use_global
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = nn.Linear(dim, (2 if use_global else 3) * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """Attend.

        Args:
            x: (B * windows, N, C), the windows of a picture next to each other.
            query: (B, heads, N, C / heads); not used by a local layer.

        Returns:
            (B * windows, N, C).
        """
        tokens = x.shape[1]
        parts = self.qkv(x).unflatten(2, (-1, self.heads, self.head_dim)).permute(2, 0, 3, 1, 4)
        if self.use_global:
            key, value = parts[0], parts[1]  # each (B * windows, heads, N, head_dim)
            windows = x.shape[0] // query.shape[0]
            query = query.unsqueeze(1).expand(-1, windows, -1, -1, -1).flatten(0, 1)
        else:
            query, key, value = parts[0], parts[1], parts[2]
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.view(tokens, tokens, self.heads).permute(2, 0, 1)  # (heads, N, N)
        scores = (query * self.head_dim**-0.5) @ key.transpose(2, 3) + bias
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        projected: torch.Tensor = self.proj(mixed)
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        out: torch.Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class Block(nn.Module):
    """Window attention and a perceptron, each after a norm and beside a shortcut."""

    def __init__(self, config: StageConfig, *, use_global: bool, drop_path: float) -> None:
        super().__init__()
        self.window = config.window
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.attn = WindowAttention(config.dim, config.heads, config.window, use_global=use_global)
        self.mlp = Mlp(config.dim, int(config.dim * config.mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) and the stage's query (B, heads, N, C / heads) -> (B, H, W, C)."""
        height, width = x.shape[1:3]
        windows = self.attn(to_windows(self.norm1(x), self.window), query)
        x = x + self.drop_path(from_windows(windows, self.window, height, width))
        return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """Blocks that share one global query, and a downsampler unless it is the last stage."""

    def __init__(
        self, config: StageConfig, *, downsample: bool, drop_paths: Sequence[float]
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(config, use_global=index % 2 == 1, drop_path=drop_paths[index])
            for index in range(config.depth)
        )
        self.downsample = Downsample(config.dim) if downsample else nn.Identity()
        self.q_global_gen = GlobalQuery(config.dim, config.heads, config.query_pools)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H/2, W/2, 2C), or (B, H, W, C) in the last stage."""
        query = self.q_global_gen(x)
        for block in self.blocks:
            x = block(x, query)
        out: torch.Tensor = self.downsample(x)
        return out


class GCViT(nn.Module):
    """Stages of global context attention over a feature map, pooled to a vector."""

    def __init__(
        self, in_dim: int, stages: Sequence[StageConfig], *, drop_path_rate: float = 0.0
    ) -> None:
        super().__init__()
        depth = sum(stage.depth for stage in stages)
        rates = [drop_path_rate * index / max(1, depth - 1) for index in range(depth)]
        self.patch_embed = PatchEmbed(in_dim, stages[0].dim)
        self.stages = nn.ModuleList()
        for index, stage in enumerate(stages):
            own, rates = rates[: stage.depth], rates[stage.depth :]
            last = index == len(stages) - 1
            self.stages.append(Stage(stage, downsample=not last, drop_paths=own))
        self.norm = nn.LayerNorm(stages[-1].dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C of the last stage)."""
        x = self.patch_embed(x)
        for stage in self.stages:
            x = stage(x)
        pooled: torch.Tensor = self.norm(x).mean(dim=(1, 2))
        return pooled


def relative_position_index(window: int) -> torch.Tensor:
    """Row of the bias table for each pair of cells of a window, (N, N) with N = window squared.

    Row ``(dy + window - 1) * (2 * window - 1) + dx + window - 1`` belongs to a key that lies
    ``(dy, dx)`` cells before its query, as in Swin (Liu et al., ICCV 2021, section 3.2).
    """
    cells = torch.arange(window)
    y, x = (part.flatten() for part in torch.meshgrid(cells, cells, indexing="ij"))
    rows = y[:, None] - y[None, :] + window - 1
    columns = x[:, None] - x[None, :] + window - 1
    return rows * (2 * window - 1) + columns


def to_windows(x: torch.Tensor, window: int) -> torch.Tensor:
    """(B, H, W, C) -> (B * windows, window * window, C)."""
    _, height, width, channels = x.shape
    x = x.view(-1, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def from_windows(x: torch.Tensor, window: int, height: int, width: int) -> torch.Tensor:
    """The inverse of :func:`to_windows`: (B * windows, window * window, C) -> (B, H, W, C)."""
    channels = x.shape[2]
    x = x.view(-1, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(-1, height, width, channels)
