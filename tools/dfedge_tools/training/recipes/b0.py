"""MS-Eff-GCViT b0 in two stages: what ships.

    dfedge train b0 --data stores/all --out runs/b0 --processes 2

First the backbone alone at 160 px, from weights that have seen ImageNet: that is where blending is
learned, and a step costs a third of one of the whole detector. Its first stage sees many
manipulated clips, its second more fakes made here and harder ones; the mean of both is better than
either. Then the whole detector from that mean. Cost and scores of every run stand in
``docs/training.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Part, Recipe

BACKBONE_160: Final = FrameStage(
    name="backbone-160",
    model="backbone",
    initial="imagenet",
    side=160,
    start_difficulty=0.2,
    curriculum_steps=900,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
    loop=LoopConfig(steps=2000, schedule_steps=4000, warmup_steps=200, compile_model=True),
)
"""EfficientNet-B0 alone at 160 px, from easy blends to hard ones."""

BLENDS: Final = Mix(still_pairs=7, clip_blend_pairs=3, clip_pairs=2)

BACKBONE_160_HARD: Final = FrameStage(
    name="backbone-160-hard",
    seed=20261124,
    model="backbone",
    side=160,
    start_difficulty=0.4,
    curriculum_steps=400,
    mix=BLENDS,
    label_smoothing=0.1,
    parts=(Part("all", ("",), 6e-4, 0.05),),
    loop=LoopConfig(steps=800, schedule_steps=900, warmup_steps=50, floor=0.2, compile_model=True),
)
"""The same on fewer manipulated clips, which it knows by heart by then, and on harder fakes."""

DETECTOR_160: Final = FrameStage(
    name="detector-160",
    seed=20261125,
    soup=("backbone-160", "backbone-160-hard"),
    model="detector",
    side=160,
    start_difficulty=0.7,
    curriculum_steps=300,
    mix=BLENDS,
    label_smoothing=0.1,
    parts=(
        Part("backbone", ("detector.feat_extractor.backbone",), 1.5e-4, 0.05),
        Part("others", ("",), 1e-3, 0.05),
    ),
    loop=LoopConfig(steps=700, warmup_steps=60),
)
"""The whole of MS-Eff-GCViT b0, from the mean of both backbones, at their side: a backbone trained
at 160 px does hardly better than chance at 224 px until it is trained there too."""

RECIPES: Final = (
    Recipe(
        name="b0",
        summary="MS-Eff-GCViT b0 at 160 px by blends, with a mask beside it: what ships",
        cost="about 3 hours on 2 CPU cores",
        score="see docs/training.md: video AUC .758 on val from random weights",
        stages=(BACKBONE_160, BACKBONE_160_HARD, DETECTOR_160),
    ),
)
