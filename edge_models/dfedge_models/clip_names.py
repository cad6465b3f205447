"""CLIP's vision tower by the names of Hugging Face's transformers, and by timm's."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F

from dfedge_models.detector import Shapes

PREFIXES = ("clip.vision_model.", "vision_model.")
"""Before the tower's names: in a model that has CLIP as `clip`, and in CLIP itself."""
POSITIONS = "embeddings.position_embedding.weight"
POSITION_IDS = "embeddings.position_ids"
"""A row of numbers that older versions of transformers saved; nothing is read from it."""
PUBLISHED_POSITIONS = 16 * 16 + 1
"""Of OpenAI's weights: 224 px in patches of 14, and the class token."""

_OUTSIDE_BLOCKS = {
    "cls_token": "embeddings.class_embedding",
    "patch_embed.proj": "embeddings.patch_embedding",
    "norm_pre": "pre_layrnorm",  # their spelling
    "norm": "post_layernorm",
}
_INSIDE_BLOCKS = {
    "norm1": "layer_norm1",
    "attn.proj": "self_attn.out_proj",
    "norm2": "layer_norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_PARTS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
"""Query, key and value, which timm keeps as one matrix in this order."""


def entries_of_transformers(tower: Shapes, saved: Shapes) -> Shapes:
    """Entries of the tower by transformers' names.

    Args:
        tower: entries by timm's names.
        saved: those of :func:`positions_in`.
    """
    entries: Shapes = {}
    for name, shape in tower.items():
        theirs = _theirs(name)
        if name == "pos_embed":
            same_size = saved.get(POSITIONS) == shape[1:]
            entries[POSITIONS] = shape[1:] if same_size else (PUBLISHED_POSITIONS, shape[-1])
        elif name == "cls_token":
            entries[theirs[0]] = shape[-1:]
        else:
            entries |= {each: (shape[0] // len(theirs), *shape[1:]) for each in theirs}
    if POSITION_IDS in saved:
        entries[POSITION_IDS] = (1, entries[POSITIONS][0])
    return entries


def positions_in(state: Mapping[str, torch.Tensor], prefix: str) -> Shapes:
    """What a state says of positions, which its layout depends on: shapes by inner names."""
    return {
        name: tuple(state[prefix + name].shape)
        for name in (POSITIONS, POSITION_IDS)
        if prefix + name in state
    }


def tower_from_transformers(
    state: Mapping[str, torch.Tensor], tower: Shapes
) -> dict[str, torch.Tensor]:
    """The tower's entries by timm's names, from a state that has them by transformers' names.

    Positions of another size are interpolated as transformers does it.
    """
    made = {}
    for name, shape in tower.items():
        value = torch.cat([state[each] for each in _theirs(name)])
        if name == "pos_embed":
            value = _resized_positions(value, shape[1])
        made[name] = value.reshape(shape)
    return made


def _theirs(name: str) -> tuple[str, ...]:
    """Their name of one of timm's entries; three for the joint matrix of attention."""
    if name == "pos_embed":
        return (POSITIONS,)
    if name in _OUTSIDE_BLOCKS:
        return (_OUTSIDE_BLOCKS[name],)
    body, _, kind = name.rpartition(".")
    if body in _OUTSIDE_BLOCKS:
        return (f"{_OUTSIDE_BLOCKS[body]}.{kind}",)
    _, index, part = body.split(".", 2)
    parts = _PARTS if part == "attn.qkv" else (_INSIDE_BLOCKS[part],)
    return tuple(f"encoder.layers.{index}.{each}.{kind}" for each in parts)


def _resized_positions(value: torch.Tensor, count: int) -> torch.Tensor:
    """(positions, C) -> (count, C); the class token's, then a square of patches."""
    if len(value) == count:
        return value
    old, new = math.isqrt(len(value) - 1), math.isqrt(count - 1)
    grid = value[1:].float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat((value[:1], grid.flatten(2)[0].T.to(value.dtype)))
