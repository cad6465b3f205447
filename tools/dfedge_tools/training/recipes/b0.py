"""MS-Eff-GCViT b0 from the stages of its backbone: ships.

    dfedge train b0 --data stores/all --out runs/b0 --processes 2

First the backbone alone at 160 px, as :mod:`dfedge_tools.training.recipes.efficientnet` does: that
is where blending is learned, and a step costs a third of one of the whole detector. Then the whole
detector from the mean of those stages. Cost and scores of every run stand in ``docs/training.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Part, Recipe
from dfedge_tools.training.recipes import efficientnet

DETECTOR_160: Final = FrameStage(
    name="detector-160",
    seed=20261125,
    soup=tuple(stage.name for stage in efficientnet.STAGES),
    architecture="ms_eff_gcvit_b0",
    side=160,
    start_difficulty=0.7,
    curriculum_steps=300,
    mix=efficientnet.BLENDS,
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
        summary="MS-Eff-GCViT b0 at 160 px by blends, with a mask beside it: ships",
        cost="about 3 hours on 2 CPU cores",
        score="see docs/training.md: video AUC .823 on val",
        stages=(*efficientnet.STAGES, DETECTOR_160),
    ),
)
