"""MS-Eff-GCViT b0 and b5 as they were published.

    dfedge train ms-eff-gcvit-b0 --data stores/ffpp --out runs/b0-published
    dfedge train ms-eff-gcvit-b5 --data stores/ffpp --out runs/b5 --set initial=FILE

Rates, decays, mixup, cutout, patience and stochastic depth are those of the authors' training
settings for FaceForensics++ (https://github.com/HanMoonSub/DeepGuard, Apache-2.0 model card:
``deepguard/MS_EffGCViT.md``). The backbone starts from ImageNet, all else from a truncated normal
of 0.02, as the architecture makes it. Theirs is an EfficientNet trained on JFT; b0 starts here
from :mod:`dfedge_tools.training.imagenet`, and for b5 there is no package: it starts random, or
from a file of ``tf_efficientnet_b5``.

What differs: batches are pairs of a fake and its genuine twin (no self-blends, as they had none),
the mask head is off, steps take the place of their ten epochs, and one stochastic depth holds for
the whole network.
"""

from __future__ import annotations

from typing import Final

from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Mixing, Part, Recipe

MIX: Final = Mix(still_pairs=0, clip_blend_pairs=0, clip_pairs=8)
"""Their batch is 16 pictures."""

MIXING: Final = Mixing(mixup_chance=0.25, mixup_alpha=0.4, cutout_chance=0.5)

BACKBONE: Final = "detector.feat_extractor"
LOW: Final = "detector.l_gcvit"
HIGH: Final = "detector.h_gcvit"

B0: Final = FrameStage(
    name="ms-eff-gcvit-b0",
    architecture="ms_eff_gcvit_b0",
    initial="imagenet",
    side=224,
    blend_side=224,
    curriculum_steps=0,
    mix=MIX,
    mixing=MIXING,
    parts=(
        Part("backbone", (BACKBONE,), 5e-4, 1e-3),
        Part("low", (LOW,), 1e-4, 1e-3),
        Part("high", (HIGH,), 2e-4, 5e-4),
        Part("head", ("",), 1e-3, 1e-5),
    ),
    drop_rate=0.0,
    drop_path_rate=0.1,
    label_smoothing=0.0,
    mask_weight=0.0,
    loop=LoopConfig(steps=50_000, warmup_steps=0, patience=3, min_gain=0.001),
)

B5: Final = FrameStage(
    name="ms-eff-gcvit-b5",
    architecture="ms_eff_gcvit_b5",
    initial="random",
    side=384,
    blend_side=384,
    curriculum_steps=0,
    mix=MIX,
    mixing=MIXING,
    parts=(
        Part("backbone", (BACKBONE,), 5e-5, 2e-4),
        Part("low", (LOW,), 2e-5, 2e-4),
        Part("high", (HIGH,), 8e-5, 1e-4),
        Part("head", ("",), 1e-3, 1e-5),
    ),
    drop_rate=0.0,
    drop_path_rate=0.15,
    label_smoothing=0.0,
    mask_weight=0.0,
    loop=LoopConfig(steps=50_000, warmup_steps=0, patience=3, min_gain=0.001),
)

RECIPES: Final = (
    Recipe(
        name="ms-eff-gcvit-b0",
        summary="MS-Eff-GCViT b0 at 224 px by its authors' recipe",
        cost="needs a GPU; never run here to the end",
        score="AUC .9969 on all of FaceForensics++ say its authors; not reproduced here",
        stages=(B0,),
    ),
    Recipe(
        name="ms-eff-gcvit-b5",
        summary="MS-Eff-GCViT b5 at 384 px by its authors' recipe",
        cost="needs a GPU; never run here to the end",
        score="AUC .9974 on all of FaceForensics++ say its authors; not reproduced here",
        stages=(B5,),
    ),
)
