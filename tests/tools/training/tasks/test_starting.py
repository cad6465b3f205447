"""Weights to start from: a whole checkpoint, a backbone, or a message that says what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from dfedge.errors import UsageError
from dfedge_tools.training import checkpoints
from dfedge_tools.training.config import Stage

from .conftest import ToyCrops


def _start(stage: Stage, toy: ToyCrops, initial: Path) -> Any:
    made: Any = replace(stage, initial=str(initial), seed=99)  # type: ignore[call-arg]
    return made.task(toy, None).network()


def _equal(mine: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, mine[name]) for name, value in other.items())


@pytest.mark.parametrize("name", ["multitask", "genconvit-ed", "genconvit-vae", "clip-l"])
def test_a_whole_detector(
    name: str, stages: dict[str, Stage], toy: ToyCrops, tmp_path: Path
) -> None:
    """All its weights are taken over."""
    task = stages[name].task(toy, None)
    state = task.weights(task.network())
    torch.save(state, tmp_path / "whole.pt")
    assert _equal(dict(task.weights(_start(stages[name], toy, tmp_path / "whole.pt"))), state)


@pytest.mark.parametrize(
    ("name", "backbone", "classes"),
    [
        ("multitask", "backbone", 0),
        ("genconvit-ed", "backbone", 1000),
        ("genconvit-vae", "convnext_backbone", 1000),
    ],
)
def test_a_backbone_alone(
    name: str, backbone: str, classes: int, stages: dict[str, Stage], toy: ToyCrops, tmp_path: Path
) -> None:
    """A ConvNeXt by timm's names goes into the backbone; the rest is fresh."""
    torch.manual_seed(5)
    donor = timm.create_model("convnext_tiny", num_classes=classes).state_dict()
    torch.save(donor, tmp_path / "convnext.pt")
    net = _start(stages[name], toy, tmp_path / "convnext.pt")
    assert _equal(net.detector.get_submodule(backbone).state_dict(), donor)


def test_the_stage_before_wins(stages: dict[str, Stage], toy: ToyCrops, tmp_path: Path) -> None:
    """Averaged weights of a checkpoint are taken over, training aids among them."""
    before = stages["genconvit-vae"].task(toy, None).network().state_dict()
    before["log_variance.bias"] += 1
    checkpoints.save(tmp_path / "last.pt", {"ema": before})
    net = stages["genconvit-vae"].task(toy, tmp_path / "last.pt").network()
    assert _equal(dict(net.state_dict()), before)
    with pytest.raises(UsageError, match="holds another network"):
        stages["genconvit-ed"].task(toy, tmp_path / "last.pt").network()


def test_wrong_files_are_refused(stages: dict[str, Stage], toy: ToyCrops, tmp_path: Path) -> None:
    """One that is not there, and one of another network, by name and with the way out."""
    with pytest.raises(UsageError, match="there is no such file"):
        _start(stages["multitask"], toy, tmp_path / "none.pt")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    for name in ("multitask", "genconvit-ed", "clip-l"):
        with pytest.raises(
            UsageError, match=r"other\.pt: the weights do not fit .* backbone alone"
        ):
            _start(stages[name], toy, tmp_path / "other.pt")
