"""Recipes in code: each says its command, its cost and the score to expect.

``b0`` is what made the shipped weights, in two stages:

    python -m dfedge_tools.training.run --recipe b0 --stills ../shared/data/real_faces \\
        --clips ../shared/data/ffpp_frames --out runs/b0 --processes 2

Cost and scores stand in ``docs/training.md``, with every run that was tried.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import Mix, Optim, Recipe

BACKBONE_160: Final = Recipe(
    name="backbone-160",
    model="backbone",
    side=160,
    steps=2800,
    curriculum_steps=1100,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
)
"""EfficientNet-B0 alone at 160 px, from easy blends to hard ones: where blending is learned."""

DETECTOR_224: Final = Recipe(
    name="detector-224",
    model="detector",
    side=224,
    steps=1000,
    start_difficulty=1.0,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
    optim=Optim(learning_rate=6e-4, backbone_rate_scale=0.5, warmup_steps=100),
)
"""The whole of MS-Eff-GCViT b0 at its own 224 px, from the backbone above."""

RECIPES: Final[dict[str, tuple[Recipe, ...]]] = {"b0": (BACKBONE_160, DETECTOR_224)}
"""Stages by name; each starts from the best checkpoint of the one before."""
