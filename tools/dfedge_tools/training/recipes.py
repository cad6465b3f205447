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
    initial="imagenet",
    side=160,
    steps=4000,
    start_difficulty=0.2,
    curriculum_steps=900,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
)
"""EfficientNet-B0 alone at 160 px, from easy blends to hard ones: where blending is learned."""

DETECTOR_160: Final = Recipe(
    name="detector-160",
    model="detector",
    side=160,
    steps=900,
    start_difficulty=0.75,
    end_difficulty=0.75,
    compile_model=False,
    seed=20261122,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
    optim=Optim(learning_rate=1e-3, backbone_rate_scale=0.4, warmup_steps=80),
)
"""The whole of MS-Eff-GCViT b0, from the backbone above, at the backbone's side: a backbone
trained at 160 px does hardly better than chance at 224 px until it is trained there too."""

ATTO_160: Final = Recipe(
    name="atto-160",
    model="detector",
    architecture="dfedge_convnext_atto",
    side=160,
    steps=3600,
    curriculum_steps=1400,
    seed=20261123,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
    optim=Optim(learning_rate=2e-3, weight_decay=0.05, warmup_steps=200),
)
"""ConvNeXt-Atto from scratch in one stage: there is nothing in it but the backbone."""

RECIPES: Final[dict[str, tuple[Recipe, ...]]] = {
    "b0": (BACKBONE_160, DETECTOR_160),
    "atto": (ATTO_160,),
}
"""Stages by name; each starts from the averaged weights of the one before."""
