"""The ConvNeXt-Tiny multi-task detector of the InSwapper description.

    dfedge train multitask --data stores/all --out runs/multitask --set initial=convnext_tiny.pt

`initial` is a ConvNeXt-Tiny that has seen ImageNet, by timm's names, as the description has it.
Without one the frozen phase would teach heads to read noise: give it no frozen phase then, by
``--set 'phases=[{"first_step": 0}]'``. What each number comes from: ``docs/recipes.md``.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import LoopConfig, Recipe
from dfedge_tools.training.tasks.stages import MultiTaskStage, multitask_phases

STAGE: Final = MultiTaskStage(
    name="multitask",
    seed=20261124,
    phases=multitask_phases(last_stages_from=600, everything_from=3000),
    loop=LoopConfig(steps=6000, warmup_steps=300, clip_norm=1.0, patience=8, min_gain=0.001),
)
"""Epochs 1 to 3, 4 to 15 and from 16 on, of 30 epochs of 200 steps."""

RECIPES: Final = (
    Recipe(
        name="multitask",
        summary="ConvNeXt-Tiny with heads for real/fake, InSwapper, boundary and quality",
        cost="estimate: half an hour on a data-centre GPU, 6 GB; 14 hours on 2 CPU cores",
        score="unknown: only two steps were ever run here",
        stages=(STAGE,),
    ),
)
