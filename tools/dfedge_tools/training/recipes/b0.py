"""MS-Eff-GCViT b0 from several short runs: what ships.

    dfedge train b0 --data stores/all --out runs/b0 --processes 2

First the backbone alone at 160 px, from weights that have seen ImageNet: that is where blending is
learned, and a step costs a third of one of the whole detector. It is trained several times over,
from the same start but with other seeds and other shares of manipulated clips, each time so briefly
that it does not learn those clips by heart; the mean of all is better than any. Then the whole
detector, briefly too, from that mean. Cost and scores of every run stand in ``docs/training.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Part, Recipe

CLIPS: Final = Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4)
BLENDS: Final = Mix(still_pairs=7, clip_blend_pairs=3, clip_pairs=2)


def _backbone(name: str, *, seed: int, mix: Mix) -> FrameStage:
    """EfficientNet-B0 alone, from easy blends to hard ones."""
    return FrameStage(
        name=name,
        seed=seed,
        model="backbone",
        initial="imagenet",
        side=160,
        curriculum_steps=150,
        mix=mix,
        label_smoothing=0.1,
        loop=LoopConfig(steps=300, warmup_steps=40, ema_decay=0.98, compile_model=True),
    )


BACKBONES: Final = (
    _backbone("backbone-1", seed=20261121, mix=CLIPS),
    _backbone("backbone-2", seed=20261122, mix=BLENDS),
    _backbone("backbone-3", seed=20261123, mix=CLIPS),
    _backbone("backbone-4", seed=20261124, mix=BLENDS),
)

DETECTOR: Final = FrameStage(
    name="detector",
    seed=20261125,
    soup=tuple(stage.name for stage in BACKBONES),
    model="detector",
    side=160,
    start_difficulty=0.7,
    curriculum_steps=100,
    mix=BLENDS,
    label_smoothing=0.1,
    parts=(
        Part("backbone", ("detector.feat_extractor.backbone",), 1e-4, 0.05),
        Part("others", ("",), 1e-3, 0.05),
    ),
    loop=LoopConfig(steps=200, warmup_steps=30, ema_decay=0.98),
)
"""The whole of MS-Eff-GCViT b0, from the mean of the backbones, at their side: a backbone trained
at 160 px does hardly better than chance at 224 px until it is trained there too."""

RECIPES: Final = (
    Recipe(
        name="b0",
        summary="MS-Eff-GCViT b0 at 160 px by blends, with a mask beside it: what ships",
        cost="about 1 hour on 2 CPU cores",
        score="see docs/training.md",
        stages=(*BACKBONES, DETECTOR),
    ),
)
