"""EfficientNet-B0 in two stages and their mean: small, and the backbone of MS-Eff-GCViT b0.

    dfedge train efficientnet-b0 --data stores/all --out runs/efficientnet-b0 --processes 2

From weights that have seen ImageNet. The first stage sees many manipulated clips, the second more
fakes made here and harder ones; the mean of both is better than either. Cost and scores of every
run stand in ``docs/training.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Part, Recipe

ARCHITECTURE: Final = "dfedge_efficientnet_b0"

BACKBONE_160: Final = FrameStage(
    name="backbone-160",
    architecture=ARCHITECTURE,
    initial="imagenet",
    side=160,
    start_difficulty=0.2,
    curriculum_steps=900,
    mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
    loop=LoopConfig(steps=2000, schedule_steps=4000, warmup_steps=200, compile_model=True),
)
"""At 160 px, from easy blends to hard ones."""

BLENDS: Final = Mix(still_pairs=7, clip_blend_pairs=3, clip_pairs=2)

BACKBONE_160_HARD: Final = FrameStage(
    name="backbone-160-hard",
    seed=20261124,
    architecture=ARCHITECTURE,
    side=160,
    start_difficulty=0.4,
    curriculum_steps=400,
    mix=BLENDS,
    label_smoothing=0.1,
    parts=(Part("all", ("",), 6e-4, 0.05),),
    loop=LoopConfig(steps=800, schedule_steps=900, warmup_steps=50, floor=0.2, compile_model=True),
)
"""The same on fewer manipulated clips, which it knows by heart by then, and on harder fakes."""

STAGES: Final = (BACKBONE_160, BACKBONE_160_HARD)

MEAN: Final = FrameStage(
    name="mean",
    architecture=ARCHITECTURE,
    soup=tuple(stage.name for stage in STAGES),
    side=160,
    loop=LoopConfig(steps=0),
)
"""The mean of both, as it is."""

RECIPES: Final = (
    Recipe(
        name="efficientnet-b0",
        summary="EfficientNet-B0 at 160 px by blends, with a mask beside it: ships",
        cost="about 2 hours on 2 CPU cores",
        score="see docs/training.md: video AUC .857 on val",
        stages=(*STAGES, MEAN),
    ),
)
