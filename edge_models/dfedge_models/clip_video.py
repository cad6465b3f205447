"""A detector of clips: CLIP's vision tower, frozen, with adapters that look along time.

Papers: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(ICML 2021) for the tower; Pan et al., "ST-Adapter" (NeurIPS 2022) for the adapters. Model card:
https://huggingface.co/Arko007/deepfake-detector-dfd-sota. **The code of that model is not
published.** Its card gives the tower, 12 frames of 384 x 384 and 5,255,938 trainable parameters;
what is built here is one plain layout of exactly that many, so a published checkpoint may still
turn out to be laid out otherwise, and is then refused. The tower is timm's (Apache-2.0). No weights
come with this file; see ``clip_video.md`` for their origin and licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.data.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from torch import nn
from torch.utils.checkpoint import checkpoint

from dfedge_models.clip_names import (
    PREFIXES,
    entries_of_transformers,
    positions_in,
    tower_from_transformers,
)
from dfedge_models.detector import DetectorModel, Shapes, check_entries, shapes_of
from dfedge_models.signature import ModelSignature

IMG_SIZE = 384
FRAMES = 12
WIDTH = 1024
DEPTH = 24
ADAPTER_WIDTH = 96
HIDDEN = 512
CLASSES = ("real", "fake")
TOWER = "tower."


class CLIPVideoDetector(DetectorModel):
    """CLIP ViT-L/14 over the frames of a clip, one adapter before each of its blocks.

    Input: (B, T, 3, S, S), RGB in [0, 1], normalised by CLIP's mean and standard deviation.
    Output: (B, 2), logits of *real* and *fake*, of a softmax.

    Only the adapters and the head are trained. The adapters start as nothing, so that the features
    are CLIP's own at first: the class token of each frame after the last norm, averaged over time.

    Args:
        img_size: side S of the input, pixels. Patches are of 14; what is left over at the right and
            at the bottom is not looked at (6 of 384).
        frames: T, frames a clip.
        depth: blocks of the tower; fewer than 24 make a small model for trials.

    Attributes:
        recomputes: in training, run each block again for its gradient instead of keeping its maps:
            a third more time for about a tenth of the memory. No result depends on it.
    """

    def __init__(
        self, *, img_size: int = IMG_SIZE, frames: int = FRAMES, depth: int = DEPTH
    ) -> None:
        super().__init__()
        self.img_size = img_size
        self.frames = frames
        self.recomputes = False
        self.tower: Any = timm.create_model(
            "vit_large_patch14_clip_quickgelu_224",
            pretrained=False,
            img_size=img_size,
            depth=depth,
            num_classes=0,
        )
        self.tower.requires_grad_(False)
        self.adapters = nn.ModuleList(
            SpatioTemporalAdapter(WIDTH, ADAPTER_WIDTH) for _ in range(depth)
        )
        self.head = nn.Sequential(
            nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, len(CLASSES))
        )

    @property
    def signature(self) -> ModelSignature:
        """Clips, two logits of a softmax, CLIP's normalisation."""
        return ModelSignature(
            img_size=self.img_size,
            frames=self.frames,
            mean=OPENAI_CLIP_MEAN,
            std=OPENAI_CLIP_STD,
            classes=CLASSES,
            fake_index=CLASSES.index("fake"),
            activation="softmax",
            aggregation="mean_probability",
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, S, S) -> (B, 2), logits of *real* and *fake*."""
        logits: torch.Tensor = self.head(self.frame_features(x).mean(dim=1))
        return logits

    def frame_features(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, S, S) -> (B, T, 1024), the class token of each frame."""
        frames = x.shape[1]
        patches = self.tower.patch_embed(x.flatten(0, 1))  # (B * T, N - 1, 1024)
        first = self.tower.cls_token.expand(patches.shape[0], -1, -1)
        tokens = self.tower.norm_pre(torch.cat((first, patches), dim=1) + self.tower.pos_embed)
        for adapter, block in zip(self.adapters, self.tower.blocks, strict=True):
            if self.recomputes and torch.is_grad_enabled():
                tokens = checkpoint(_adapted, adapter, block, tokens, frames, use_reentrant=False)
            else:
                tokens = _adapted(adapter, block, tokens, frames)
        features: torch.Tensor = self.tower.norm(tokens[:, 0]).unflatten(0, (-1, frames))
        return features

    def official_entries(self) -> Shapes:
        """The tower by the names of Hugging Face's transformers, the rest by its own."""
        return self.official_layout({})

    def official_layout(self, state: Mapping[str, torch.Tensor]) -> Shapes:
        """The layout that a checkpoint looks like, of those that load.

        They differ in the tower: by transformers' names after ``clip.vision_model.`` or
        ``vision_model.``, with positions of 224 px or of `img_size`, or by the model's own names.
        """
        own = shapes_of(self.state_dict())
        if any(name.startswith(TOWER) for name in state):
            return own
        prefix = _prefix_of(state) or PREFIXES[0]
        rest = {name: shape for name, shape in own.items() if not name.startswith(TOWER)}
        return self._tower_layout(state, prefix) | rest

    def from_official(self, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """By the model's own names; positions of 224 px are interpolated."""
        prefix = _prefix_of(state)
        if prefix is None:
            return state
        tower = self._tower_from(state, prefix)
        rest = {name: value for name, value in state.items() if not name.startswith(prefix)}
        return {TOWER + name: value for name, value in tower.items()} | rest

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over CLIP's vision tower alone; adapters and head stay as they are.

        Args:
            state: of transformers' ``CLIPModel`` or ``CLIPVisionModel``; all but the vision tower
                is left out.

        Raises:
            ValueError: it does not hold exactly this tower; the message names entries.
        """
        prefix = _prefix_of(state) or PREFIXES[-1]
        named = {name: value for name, value in state.items() if name.startswith(prefix)}
        check_entries(named, self._tower_layout(named, prefix), what="the CLIP tower")
        self.tower.load_state_dict(self._tower_from(named, prefix))

    def _tower_layout(self, state: Mapping[str, torch.Tensor], prefix: str) -> Shapes:
        entries = entries_of_transformers(self._tower_shapes(), positions_in(state, prefix))
        return {prefix + name: shape for name, shape in entries.items()}

    def _tower_from(
        self, state: Mapping[str, torch.Tensor], prefix: str
    ) -> dict[str, torch.Tensor]:
        inside = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        return tower_from_transformers(inside, self._tower_shapes())

    def _tower_shapes(self) -> Shapes:
        return shapes_of(self.tower.state_dict())


class SpatioTemporalAdapter(nn.Module):
    """A narrow detour in which each token sees itself one frame earlier and later.

    Args:
        width: of the tokens.
        narrow: of the detour.
    """

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, narrow)
        self.temporal = nn.Conv2d(narrow, narrow, (3, 1), padding=(1, 0), groups=narrow)
        self.up = nn.Linear(narrow, width, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        """(B * T, N, C) -> (B * T, N, C), T being `frames`."""
        narrow = self.down(x).unflatten(0, (-1, frames)).permute(0, 3, 1, 2)  # (B, 96, T, N)
        mixed = F.gelu(self.temporal(narrow)).permute(0, 2, 3, 1).flatten(0, 1)
        added: torch.Tensor = x + self.up(mixed)
        return added


def dfd_clip_l(
    *, img_size: int = IMG_SIZE, frames: int = FRAMES, depth: int = DEPTH
) -> CLIPVideoDetector:
    """309 million parameters, 5.3 million of them trained; 3 trillion multiply-adds a clip."""
    return CLIPVideoDetector(img_size=img_size, frames=frames, depth=depth)


def _adapted(
    adapter: nn.Module, block: nn.Module, tokens: torch.Tensor, frames: int
) -> torch.Tensor:
    made: torch.Tensor = block(adapter(tokens, frames))
    return made


def _prefix_of(state: Mapping[str, Any]) -> str | None:
    return next((p for p in PREFIXES if any(name.startswith(p) for name in state)), None)
