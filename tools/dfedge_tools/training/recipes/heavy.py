"""The server's heavy models: GenConViT's two networks, and the CLIP-L detector of clips.

    dfedge train genconvit-ed --data stores/all --out runs/ed --set initial=convnext_tiny.pt
    dfedge train genconvit-vae --data stores/all --out runs/vae --set initial=convnext_tiny.pt \\
        --save-every 1800
    dfedge train clip-l --data stores/frames --out runs/clip-l --set initial=clip-vit-l14.bin

`initial` of GenConViT may also be a published checkpoint of the network, to go on from. What each
number comes from, and what memory and time are guessed from: ``docs/recipes.md``.
"""

from __future__ import annotations

from typing import Final, Literal

from dfedge_tools.training.config import LoopConfig, Recipe
from dfedge_tools.training.tasks.stages import ClipStage, GenConViTStage

NOT_RUN: Final = "unknown: only a few steps of a small sibling were ever run here"


def _genconvit(network: Literal["ed", "vae"]) -> GenConViTStage:
    return GenConViTStage(
        name=f"genconvit-{network}",
        seed=20261125,
        network=network,
        loop=LoopConfig(steps=20_000, warmup_steps=500, clip_norm=5.0),
    )


CLIP_L: Final = ClipStage(
    name="clip-l",
    seed=42,
    loop=LoopConfig(
        steps=1160,
        warmup_steps=116,
        clip_norm=1.0,
        accumulate=2,
        ema_decay=0.0,
        precision="bfloat16",
    ),
)
"""The card's 12 epochs over 3,088 train clips, 32 a step; a tenth of them warms up. Seed 42 is the
card's too."""

RECIPES: Final = (
    Recipe(
        name="genconvit-ed",
        summary="GenConViT's network A, 30 million parameters, by the paper's recipe",
        cost="estimate: 2 hours on a data-centre GPU, 6 GB",
        score=NOT_RUN,
        stages=(_genconvit("ed"),),
    ),
    Recipe(
        name="genconvit-vae",
        summary="GenConViT's network B, 659 million parameters in training, 344 million shipped",
        cost="estimate: 3 hours on a data-centre GPU, 18 GB; checkpoints of 11 GB",
        score=NOT_RUN,
        stages=(_genconvit("vae"),),
    ),
    Recipe(
        name="clip-l",
        summary="CLIP ViT-L/14 with spatio-temporal adapters on 12 frames, by its model card",
        cost="estimate: 4 hours on an L4 of 24 GB, half an hour on an H200",
        score=f"{NOT_RUN}; the card's own accuracy is 84.9% where 89% are fake",
        stages=(CLIP_L,),
    ),
)
