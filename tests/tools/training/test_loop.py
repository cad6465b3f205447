"""The training loop: an interrupted run ends where an uninterrupted one does, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from dfedge_tools.data.store import CropStore
from dfedge_tools.training import checkpoints
from dfedge_tools.training.batches import BatchMaker
from dfedge_tools.training.config import Mix, Optim, Recipe
from dfedge_tools.training.loop import RunOptions, Trainer, learning_rate, parameter_groups
from dfedge_tools.training.validate import ValidationSet

TINY = Recipe(
    "tiny",
    side=32,
    blend_side=64,
    steps=6,
    curriculum_steps=4,
    compile_model=False,
    mix=Mix(1, 1, 1, (("meb", 1.0),)),
    optim=Optim(warmup_steps=2),
)


class TinyBackbone(nn.Module):
    """As many named parts as the loop needs to know."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 8, S/8, S/8)."""
        out: torch.Tensor = self.blocks(self.bn1(self.conv_stem(images)))
        return out


class TinyNet(nn.Module):
    """Backbone, dropout, classifier and mask head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = TinyBackbone()
        self.drop = nn.Dropout(0.5)
        self.classifier = nn.Linear(8, 1)
        self.mask = nn.Conv2d(8, 1, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S) -> (B,), (B, 1, S/8, S/8)."""
        features = self.backbone(images)
        return self.classifier(self.drop(features.mean(dim=(2, 3))))[:, 0], self.mask(features)


def _train(
    store: CropStore,
    folder: Path,
    recipe: Recipe = TINY,
    stop_after: int | None = None,
    workers: int = 0,
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = TinyNet()
    options = RunOptions(
        folder, workers=workers, validate_every=3, stop_after=stop_after, quiet=True
    )
    trainer = Trainer(net, net.backbone, recipe, options)
    validation = ValidationSet(store, splits=["val"], side=recipe.side)
    trainer.run(BatchMaker(store, recipe), validation)


@pytest.mark.parametrize("workers", [0, 1])
def test_resumed_equals_uninterrupted(tiny_store: CropStore, tmp_path: Path, workers: int) -> None:
    """Weights, moving average and optimizer are bit-equal after a stop at step 2 and a resume."""
    _train(tiny_store, tmp_path / "whole", workers=workers)
    _train(tiny_store, tmp_path / "parts", stop_after=2, workers=workers)
    assert 2 == checkpoints.load(tmp_path / "parts" / "last.pt")["progress"]["step"]
    _train(tiny_store, tmp_path / "parts", workers=workers)
    whole = checkpoints.load(tmp_path / "whole" / "last.pt")
    parts = checkpoints.load(tmp_path / "parts" / "last.pt")
    for part in ("net", "ema"):
        assert whole[part].keys() == parts[part].keys()
        assert all(torch.equal(whole[part][name], parts[part][name]) for name in whole[part])
    for mine, other in zip(
        whole["optimizer"]["state"].values(), parts["optimizer"]["state"].values(), strict=True
    ):
        assert all(torch.equal(mine[key], other[key]) for key in mine)


def test_training_changes_weights_and_writes_history(tiny_store: CropStore, tmp_path: Path) -> None:
    """After the run there are scores, a history line a validation, and weights that moved."""
    torch.manual_seed(0)
    before = TinyNet().state_dict()
    _train(tiny_store, tmp_path)
    after = checkpoints.load(tmp_path / "last.pt")["net"]
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    history = (tmp_path / "history.csv").read_text().splitlines()
    assert 3 == len(history)
    assert 7 == len((tmp_path / "scores.csv").read_text().splitlines())


def test_frozen_blocks_stay(tiny_store: CropStore, tmp_path: Path) -> None:
    """A frozen stem keeps its weights and the statistics of its norm."""
    torch.manual_seed(0)
    before = TinyNet().state_dict()
    _train(tiny_store, tmp_path, replace(TINY, frozen_backbone_blocks=1))
    after = checkpoints.load(tmp_path / "last.pt")["net"]
    for name in ("backbone.conv_stem.weight", "backbone.bn1.running_mean"):
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before["mask.weight"], after["mask.weight"])


def test_another_recipe_is_refused(tiny_store: CropStore, tmp_path: Path) -> None:
    """A folder with a checkpoint of one recipe is not continued by another."""
    _train(tiny_store, tmp_path, stop_after=1)
    with pytest.raises(ValueError, match="another recipe"):
        _train(tiny_store, tmp_path, replace(TINY, seed=2))


def test_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    """A file that is no checkpoint of ours is refused by name."""
    torch.save({"weights": torch.zeros(1)}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match=r"last\.pt: not a training checkpoint"):
        checkpoints.load(tmp_path / "last.pt")


def test_schedule_by_hand() -> None:
    """The rate climbs over the warm-up, peaks after it and ends at zero."""
    optim = Optim(learning_rate=1.0, warmup_steps=4)
    assert 0.25 == learning_rate(optim, 0, 14)
    assert 1.0 == learning_rate(optim, 4, 14)
    assert pytest.approx(0.5) == learning_rate(optim, 9, 14)
    assert pytest.approx(0.0) == learning_rate(optim, 14, 14)


def test_norms_and_biases_do_not_decay() -> None:
    """Weight decay is on matrices only; the backbone's rate is scaled."""
    net = TinyNet()
    groups = parameter_groups(net, net.backbone, Optim(backbone_rate_scale=0.1))
    for group in groups:
        decays = {p.ndim > 1 for p in group["params"]}
        assert {group["weight_decay"] > 0} == decays
    assert {0.1, 1.0} == {group["rate_scale"] for group in groups}
    assert sum(len(g["params"]) for g in groups) == len(list(net.parameters()))
