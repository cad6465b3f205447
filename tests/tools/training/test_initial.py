"""The weights a stage starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dfedge.errors import UsageError
from dfedge_tools.training import checkpoints
from dfedge_tools.training.initial import load_initial
from dfedge_tools.training.networks import DetectorTrainer

SIDE = 64


def _same(mine: nn.Module, other: nn.Module) -> bool:
    ours, theirs = mine.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


def _detector(seed: int, side: int = SIDE) -> DetectorTrainer:
    torch.manual_seed(seed)
    return DetectorTrainer(side=side)


def test_random_stays_as_it_is() -> None:
    """Without weights to start from a network stays as it was made."""
    net = _detector(0)
    load_initial(net, "random")
    assert _same(_detector(0), net)


def test_checkpoint_of_a_backbone_stage(tmp_path: Path) -> None:
    """Of the averaged weights of a backbone stage a detector takes backbone and mask head."""
    torch.manual_seed(1)
    first = DetectorTrainer("dfedge_efficientnet_b0", side=SIDE)
    checkpoints.save(tmp_path / "last.pt", {"ema": first.state_dict(), "net": {}})
    second = _detector(2)
    load_initial(second, tmp_path / "last.pt")
    assert _same(first.backbone, second.backbone)
    assert _same(first.mask_head, second.mask_head)
    assert _same(_detector(2).detector.get_submodule("head"), second.detector.get_submodule("head"))


def test_checkpoint_of_the_same_stage(tmp_path: Path) -> None:
    """A checkpoint of a detector is taken over whole; at another side its tables are resized."""
    first = _detector(1)
    checkpoints.save(tmp_path / "best.pt", {"ema": first.state_dict()})
    second, larger = _detector(2), _detector(2, side=96)
    load_initial(second, str(tmp_path / "best.pt"))
    assert _same(first, second)
    load_initial(larger, str(tmp_path / "best.pt"))
    assert _same(first.backbone, larger.backbone)


def test_plain_weights(tmp_path: Path) -> None:
    """Weights as they ship are taken over, of the whole detector or of its backbone."""
    first = _detector(1)
    checkpoints.save_weights(tmp_path / "whole.pt", first.detector.state_dict())
    checkpoints.save_weights(tmp_path / "backbone.pt", first.backbone.state_dict())
    second, third = _detector(2), _detector(3)
    load_initial(second, str(tmp_path / "whole.pt"))
    assert _same(first.detector, second.detector)
    load_initial(third, str(tmp_path / "backbone.pt"))
    assert _same(first.backbone, third.backbone)


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    """Weights of another network are an error that names the file; a missing file too."""
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
    for net in (_detector(0), DetectorTrainer("dfedge_efficientnet_b0", side=SIDE)):
        with pytest.raises(UsageError, match=r"other\.pt: does not fit"):
            load_initial(net, str(tmp_path / "other.pt"))
    with pytest.raises(UsageError, match="there is no such file"):
        load_initial(_detector(0), str(tmp_path / "none.pt"))


def test_imagenet_is_of_b0_alone() -> None:
    """The ImageNet start does not fit a ConvNeXt, and says what else there is."""
    with pytest.raises(UsageError, match=r"initial=imagenet: .* --set initial=FILE"):
        load_initial(DetectorTrainer("dfedge_convnext_atto", side=SIDE), "imagenet")
