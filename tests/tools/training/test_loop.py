"""The training loop: an interrupted run ends where an uninterrupted one does, to the bit."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from dfedge.errors import UsageError
from dfedge_tools.data.store import CropStore
from dfedge_tools.training import checkpoints
from dfedge_tools.training.batches import Batch
from dfedge_tools.training.config import FrameStage, LoopConfig, Mix, Phase
from dfedge_tools.training.loop import RunOptions, Trainer
from dfedge_tools.training.task import Loss
from dfedge_tools.training.tasks.frames import FrameTask
from dfedge_tools.training.validate import normalize

TINY = FrameStage(
    architecture="dfedge_efficientnet_b0",
    name="tiny",
    side=32,
    blend_side=64,
    curriculum_steps=4,
    mix=Mix(1, 1, 1, (("meb", 1.0),)),
    loop=LoopConfig(steps=6, warmup_steps=2),
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


class TinyTask(FrameTask):
    """Frames, learned by a tiny network."""

    def network(self) -> nn.Module:
        """The tiny network; the loop has set the seed."""
        return TinyNet()


def _train(
    store: CropStore,
    folder: Path,
    stage: FrameStage = TINY,
    stop_after: int | None = None,
    workers: int = 0,
) -> None:
    torch.set_num_threads(1)
    options = RunOptions(
        folder, workers=workers, validate_every=3, stop_after=stop_after, quiet=True
    )
    Trainer(TinyTask(stage, store), stage, options).run()


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
        whole["optimizer"]["adamw"]["state"].values(),
        parts["optimizer"]["adamw"]["state"].values(),
        strict=True,
    ):
        assert all(torch.equal(mine[key], other[key]) for key in mine)


def test_training_changes_weights_and_writes_history(tiny_store: CropStore, tmp_path: Path) -> None:
    """After the run there is a history line a validation, and weights that moved."""
    torch.manual_seed(TINY.seed)
    before = TinyNet().state_dict()
    _train(tiny_store, tmp_path)
    after = checkpoints.load(tmp_path / "last.pt")["net"]
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    history = (tmp_path / "history.csv").read_text().splitlines()
    assert 3 == len(history)


def test_frozen_blocks_stay(tiny_store: CropStore, tmp_path: Path) -> None:
    """A frozen stem keeps its weights and the statistics of its norm."""
    torch.manual_seed(TINY.seed)
    before = TinyNet().state_dict()
    _train(
        tiny_store,
        tmp_path,
        replace(TINY, phases=(Phase(0, ("backbone.conv_stem", "backbone.bn1")),)),
    )
    after = checkpoints.load(tmp_path / "last.pt")["net"]
    for name in ("backbone.conv_stem.weight", "backbone.bn1.running_mean"):
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before["mask.weight"], after["mask.weight"])


def test_another_recipe_is_refused(tiny_store: CropStore, tmp_path: Path) -> None:
    """A folder with a checkpoint of one recipe is not continued by another."""
    _train(tiny_store, tmp_path, stop_after=1)
    with pytest.raises(UsageError, match="another recipe"):
        _train(tiny_store, tmp_path, replace(TINY, seed=2))


def test_score_that_stands_still_ends_the_stage(tiny_store: CropStore, tmp_path: Path) -> None:
    """With patience the stage ends after as many validations without a better score, for good."""

    class Flat(TinyTask):
        def validate(self, net: nn.Module) -> dict[str, float]:
            """The same each time."""
            return {"score": 0.5}

    stage = replace(TINY, loop=replace(TINY.loop, steps=20, patience=2))
    options = RunOptions(tmp_path, workers=0, validate_every=2, quiet=True)
    progress = Trainer(Flat(stage, tiny_store), stage, options).run()
    assert (True, 6) == (progress.finished, progress.step)
    assert 6 == Trainer(Flat(stage, tiny_store), stage, options).run().step


def test_accumulated_step_is_the_large_one(tiny_store: CropStore, tmp_path: Path) -> None:
    """Two batches added up move a network without norms as one batch of both does: the same
    weights but for the rounding of float64. Two processes of a team would take the same two."""

    class NoNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, stride=8, dtype=torch.float64)
            self.last = nn.Linear(4, 1, dtype=torch.float64)

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            """(B, 3, S, S) -> (B,) and an empty mask."""
            maps = self.first(images.double()).relu()
            masks = images.new_zeros(len(images), 1, images.shape[-1] // 8, images.shape[-1] // 8)
            return self.last(maps.mean(dim=(2, 3)))[:, 0], masks

    class Small(FrameTask):
        def network(self) -> nn.Module:
            """The loop has set the seed."""
            return NoNorm()

        def loss(self, net: nn.Module, batch: Batch) -> Loss:
            """Of the label alone, in float64."""
            logits, _ = net(normalize(batch.images))
            total = nn.functional.binary_cross_entropy_with_logits(logits, batch.labels.double())
            return Loss(total, {"cls": total.detach()})

    class Large(Small):
        def batches(self, *, team_size: int) -> Dataset[Batch]:
            """Both batches of a step as one."""
            return _Pairs(super().batches(team_size=2))

    ends = []
    for task, accumulate in ((Small, 2), (Large, 1)):
        stage = replace(TINY, loop=replace(TINY.loop, accumulate=accumulate))
        options = RunOptions(tmp_path / task.__name__, workers=0, validate_every=100, quiet=True)
        trainer = Trainer(task(stage, tiny_store), stage, options)
        trainer.run()
        ends.append(trainer.net.state_dict())
    first, second = ends
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-9, atol=1e-12)


class _Pairs(Dataset[Batch]):
    """Batches `2 n` and `2 n + 1` of another data set as one."""

    def __init__(self, made: Dataset[Batch]) -> None:
        self.made = made

    def __getitem__(self, number: int) -> Batch:
        pair = [self.made[2 * number], self.made[2 * number + 1]]
        return Batch(
            *(torch.cat([getattr(batch, f.name) for batch in pair]) for f in fields(Batch))
        )
