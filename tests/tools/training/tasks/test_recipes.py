"""The recipes are found by name, hold the published numbers, and take ``--set``."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from dfedge_tools.training.overrides import apply_overrides
from dfedge_tools.training.recipes import find_recipe
from dfedge_tools.training.tasks.stages import (
    ClipStage,
    GenConViTStage,
    MultiTaskStage,
)


def test_multitask_is_the_published_recipe() -> None:
    """Weights 1.0, 0.7, 0.4, 0.2, 256 px, three crops, phases at a tenth and half of the steps."""
    (stage,) = find_recipe("multitask").stages
    assert isinstance(stage, MultiTaskStage)
    assert [1.0, 0.7, 0.4, 0.2] == list(asdict(stage.head_weights).values())
    assert (256, (1.1, 1.5, 2.0)) == (stage.img_size, stage.cut.scales)
    firsts = [phase.first_step for phase in stage.phases]
    assert [0, 0.1, 0.5] == [first / stage.loop.steps for first in firsts]
    assert stage.phases[2].rate_scale < 1


@pytest.mark.parametrize("network", ["ed", "vae"])
def test_genconvit_is_the_published_recipe(network: str) -> None:
    """224 px, rate and decay 1e-4, 32 pictures."""
    (stage,) = find_recipe(f"genconvit-{network}").stages
    assert isinstance(stage, GenConViTStage)
    assert (224, 32, network) == (stage.img_size, stage.images, stage.network)
    assert [(1e-4, 1e-4)] == [(part.learning_rate, part.weight_decay) for part in stage.parts]


def test_clip_l_is_the_published_recipe() -> None:
    """12 frames of 384, 5e-6, 0.05, warm-up 10%, smoothing 0.1, clip 1.0, 32 clips a step, bf16."""
    (stage,) = find_recipe("clip-l").stages
    assert isinstance(stage, ClipStage)
    assert (12, 384, 24) == (stage.frames, stage.img_size, stage.depth)
    assert [(5e-6, 0.05)] == [(part.learning_rate, part.weight_decay) for part in stage.parts]
    assert (0.1, 1.0, 0.2) == (stage.label_smoothing, stage.smallest_crop, stage.brightness)
    loop = stage.loop
    assert (0.1, 1.0) == (loop.warmup_steps / loop.steps, loop.clip_norm)
    assert (32, "bfloat16") == (stage.clips * loop.accumulate, loop.precision)


def test_settings_reach_every_kind_of_value() -> None:
    """A plain value, one inside a part, one inside the loop, a list, and words."""
    settings = ["images=8", "parts.heads.learning_rate=0.001", "loop.steps=9", "initial=a.pt"]
    settings += ["cut.scales=[1.5]", 'phases=[{"first_step": 0}]', "focal_gamma=2"]
    (stage,) = apply_overrides(find_recipe("multitask"), settings).stages
    assert isinstance(stage, MultiTaskStage)
    assert (8, 9, "a.pt", (1.5,)) == (
        stage.images,
        stage.loop.steps,
        stage.initial,
        stage.cut.scales,
    )
    assert (0.001, 2.0) == (stage.parts[1].learning_rate, stage.focal_gamma)
    assert [()] == [phase.frozen for phase in stage.phases]
