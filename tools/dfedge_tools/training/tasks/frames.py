"""Single face crops: is the face fake, and which cells of the picture were manipulated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import Dataset

from dfedge.errors import UsageError
from dfedge_tools.evaluating.metrics import auc_table, videos
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.batches import Batch, BatchMaker
from dfedge_tools.training.config import FrameStage, Phase
from dfedge_tools.training.groups import parameter_groups
from dfedge_tools.training.initial import load_initial
from dfedge_tools.training.mixing import MixedBatches
from dfedge_tools.training.networks import DetectorTrainer
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.task import Loss, ParameterGroup
from dfedge_tools.training.teachers import Teacher, distilled_loss, open_teacher
from dfedge_tools.training.validate import ValidationSet, normalize


class FrameTask:
    """Training of a :class:`FrameStage`.

    Args:
        stage: What to train.
        crops: Packed pictures of splits train, val and held.
        start_from: Checkpoint of a stage before; None: what the stage says under `initial`.

    Raises:
        UsageError: The pictures lack a class to learn from or to select by.
    """

    def __init__(self, stage: FrameStage, crops: Crops, start_from: Path | None = None) -> None:
        self.stage = stage
        self.crops = crops
        self.start_from = start_from
        check_crops(crops)
        self._validation: ValidationSet | None = None
        self._teacher: Teacher | None = None
        if stage.distillation.teacher:
            self._teacher = open_teacher(stage.distillation)

    @property
    def phases(self) -> Sequence[Phase]:
        """Those of the stage."""
        return self.stage.phases

    def network(self) -> nn.Module:
        """The network with the weights of the stage before, or those the recipe starts from.

        Raises:
            UsageError: Those weights are of another network.
        """
        net = self._fresh()
        load_initial(net, self.start_from or self.stage.initial)
        return net

    def groups(self, net: nn.Module) -> list[ParameterGroup]:
        """Two for each part of the recipe: with its decay, and without."""
        return parameter_groups(net, self.stage.parts)

    def batches(self, *, team_size: int) -> Dataset[Batch]:
        """Blends and manipulated frames with their genuine twins."""
        made = BatchMaker(self.crops, self.stage, team_size=team_size)
        return MixedBatches(made, self.stage.mixing, seed=self.stage.seed)

    def loss(self, net: nn.Module, batch: Batch) -> Loss:
        """Cross entropy of the label (and the teacher's logit), and of the mask where known."""
        logits, masks = net(normalize(batch.images))
        logits, masks = logits.float(), masks.float()
        classify = self._classification(logits, batch)
        localize = mask_loss(masks, batch)
        right = ((logits > 0) == (batch.labels > 0.5)).float().mean()
        return Loss(
            classify + self.stage.mask_weight * localize,
            {"cls": classify.detach(), "mask": localize.detach(), "acc": right},
        )

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Video AUC on val over all (the score), by method and by compression."""
        if self._validation is None:
            self._validation = self._set(["val"])
        table = auc_table(videos(self._validation.score(net)))
        return {"score": table.pop("all"), **table}

    def scores(self, net: nn.Module) -> list[Scored]:
        """The logit of every val frame and every held-back still."""
        return self._set(["val", "held"]).score(net)

    def weights(self, net: nn.Module) -> dict[str, torch.Tensor]:
        """Of the detector alone, without its training aids."""
        return cast(DetectorTrainer, net).detector.state_dict()

    def _fresh(self) -> DetectorTrainer:
        stage = self.stage
        return DetectorTrainer(
            stage.architecture,
            side=stage.side,
            drop_rate=stage.drop_rate,
            drop_path_rate=stage.drop_path_rate,
        )

    def _classification(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        smooth = self.stage.label_smoothing
        targets = batch.labels * (1 - smooth) + smooth / 2
        hard = binary_cross_entropy_with_logits(logits, targets)
        if self._teacher is None:
            return hard
        return distilled_loss(
            hard, logits, self._teacher.logits(batch.images), self.stage.distillation
        )

    def _set(self, splits: Sequence[str]) -> ValidationSet:
        return ValidationSet(
            self.crops, splits=splits, side=self.stage.side, scale=self.stage.crop.exact
        )


def mask_loss(masks: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Cross entropy of mask logits (B, 1, S/8, S/8) over the pictures whose mask is known."""
    cells = binary_cross_entropy_with_logits(masks, batch.masks, reduction="none")
    known = batch.mask_known
    return (cells.mean(dim=(1, 2, 3)) * known).sum() / known.sum().clamp(min=1)


def check_crops(crops: Crops) -> None:
    """See that there are genuine pictures to learn from, and both classes to select by.

    Fakes to learn from need not be there: genuine pictures are blended in their place.

    Raises:
        UsageError: A class is missing; the message says which, and what to do.
    """
    there = {(row.sample.split, row.sample.label) for row in crops.rows}
    for split, label in (("train", 0), ("val", 0), ("val", 1)):
        if (split, label) not in there:
            words = "manipulated" if label else "genuine"
            purpose = "learn from" if split == "train" else "select by"
            raise UsageError(
                f"--data: there is no {words} picture in split {split} to {purpose}; add a store "
                "that has some (dfedge data split, dfedge data pack)"
            )
