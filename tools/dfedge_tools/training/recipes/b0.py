"""MS-Eff-GCViT b0 in two stages: what ships.

    dfedge train b0 --data stores/all --out runs/b0 --processes 2

First the backbone alone at 160 px, from weights that have seen ImageNet: that is where blending is
learned, and a step costs a third of one of the whole detector. Then the whole detector from it.
Cost and scores of every run stand in ``docs/training.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Part, Recipe

MIX: Final = Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4)

BACKBONE_160: Final = FrameStage(
    name="backbone-160",
    model="backbone",
    initial="imagenet",
    side=160,
    start_difficulty=0.2,
    curriculum_steps=900,
    mix=MIX,
    loop=LoopConfig(steps=4000, warmup_steps=200, compile_model=True),
)
"""EfficientNet-B0 alone at 160 px, from easy blends to hard ones."""

DETECTOR_160: Final = FrameStage(
    name="detector-160",
    seed=20261122,
    model="detector",
    side=160,
    start_difficulty=0.75,
    end_difficulty=0.75,
    mix=MIX,
    parts=(
        Part("backbone", ("detector.feat_extractor.backbone",), 4e-4, 0.02),
        Part("others", ("",), 1e-3, 0.02),
    ),
    loop=LoopConfig(steps=900, warmup_steps=80),
)
"""The whole of MS-Eff-GCViT b0, from the backbone above, at the backbone's side: a backbone
trained at 160 px does hardly better than chance at 224 px until it is trained there too."""

RECIPES: Final = (
    Recipe(
        name="b0",
        summary="MS-Eff-GCViT b0 at 160 px by blends, with a mask beside it: what ships",
        cost="about 3 hours on 2 CPU cores",
        score="see docs/training.md: video AUC .758 on val from random weights",
        stages=(BACKBONE_160, DETECTOR_160),
    ),
)
