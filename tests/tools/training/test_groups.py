"""Which parameter learns at which rate."""

from __future__ import annotations

import pytest
from torch import nn

import dfedge_models
from dfedge.errors import UsageError
from dfedge_tools.training.config import FrameStage, Part
from dfedge_tools.training.groups import parameter_groups
from dfedge_tools.training.networks import DetectorTrainer
from dfedge_tools.training.recipes import RECIPES


def _net() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return nn.ModuleDict({"body": body, "head": nn.Linear(4, 1)})


def test_norms_and_biases_do_not_decay() -> None:
    """Each part gives its matrices with its decay, and the rest of it without, at one rate."""
    parts = (Part("body", ("body",), 0.1, 0.3), Part("others", ("",), 0.2, 0.4))
    groups = parameter_groups(_net(), parts)
    told = [
        (g.name, [tuple(p.shape) for p in g.parameters], g.rate, g.weight_decay) for g in groups
    ]
    assert [
        ("body", [(4, 3, 3, 3)], 0.1, 0.3),
        ("body (no decay)", [(4,), (4,), (4,)], 0.1, 0.0),
        ("others", [(1, 4)], 0.2, 0.4),
        ("others (no decay)", [(1,)], 0.2, 0.0),
    ] == told


def test_position_tables_do_not_decay() -> None:
    """The published recipe: every relative-position table of MS-Eff-GCViT is without decay."""
    net = DetectorTrainer("ms_eff_gcvit_b0", side=64)
    stage = RECIPES["ms-eff-gcvit-b0"].stages[0]
    assert isinstance(stage, FrameStage)
    groups = parameter_groups(net, stage.parts)
    decaying = {id(p) for group in groups if group.weight_decay for p in group.parameters}
    tables = [p for n, p in net.named_parameters() if n.endswith("relative_position_bias_table")]
    assert len(tables) > 0
    assert not [p for p in tables if id(p) in decaying]
    parts = {name.removesuffix(" (no decay)") for name in (group.name for group in groups)}
    assert {"backbone", "low", "high", "head"} == parts
    assert sum(len(g.parameters) for g in groups) == len(list(net.parameters()))


def test_unknown_module_is_refused() -> None:
    """A part of a module that the network has not is an error that names both."""
    with pytest.raises(UsageError, match=r"part tail .* 'tail'"):
        parameter_groups(_net(), (Part("tail", ("tail",), 0.1, 0.0),))


def test_parameter_in_no_part_is_refused() -> None:
    """A parameter that would never learn is an error that names it."""
    with pytest.raises(UsageError, match=r"head\.weight"):
        parameter_groups(_net(), (Part("body", ("body",), 0.1, 0.0),))


def test_recipes_fit_their_architectures() -> None:
    """Every recipe of frames names an architecture there is."""
    for recipe in RECIPES.values():
        for stage in recipe.stages:
            if isinstance(stage, FrameStage):
                assert stage.architecture in dfedge_models.names()
