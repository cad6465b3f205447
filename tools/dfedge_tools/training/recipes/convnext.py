"""ConvNeXt in edge sizes, from scratch in one stage: there is nothing in it but the backbone.

    dfedge train convnext-atto --data stores/all --out runs/atto --processes 2

or taught by a larger detector besides the labels:

    dfedge train convnext-atto --data stores/all --out runs/atto-taught \\
        --set distillation.teacher=runs/b0/b0.pt --set distillation.side=160
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Part, Recipe


def _stage(size: str, *, steps: int, rate: float, drop_path: float) -> FrameStage:
    return FrameStage(
        name=f"convnext-{size}",
        seed=20261123,
        architecture=f"dfedge_convnext_{size}",
        side=160,
        curriculum_steps=1400,
        mix=Mix(still_pairs=6, clip_blend_pairs=2, clip_pairs=4),
        parts=(Part("all", ("",), rate, 0.05),),
        drop_path_rate=drop_path,
        loop=LoopConfig(steps=steps, warmup_steps=200, compile_model=True),
    )


RECIPES: Final = (
    Recipe(
        name="convnext-atto",
        summary="ConvNeXt-Atto at 160 px: 3.4 million parameters",
        cost="about 2 hours on 2 CPU cores",
        score="see docs/training.md",
        stages=(_stage("atto", steps=3600, rate=2e-3, drop_path=0.0),),
    ),
    Recipe(
        name="convnext-femto",
        summary="ConvNeXt-Femto at 160 px: 4.8 million parameters",
        cost="about half as much again as convnext-atto; not run yet",
        score="not measured yet",
        stages=(_stage("femto", steps=3600, rate=2e-3, drop_path=0.0),),
    ),
    Recipe(
        name="convnext-tiny",
        summary="ConvNeXt-Tiny at 160 px: 27.8 million parameters, for a GPU or a server",
        cost="about eight times convnext-atto; not run yet",
        score="not measured yet",
        stages=(_stage("tiny", steps=7200, rate=1e-3, drop_path=0.1),),
    ),
)
