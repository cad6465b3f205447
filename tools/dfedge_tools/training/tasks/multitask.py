"""The ConvNeXt-Tiny multi-task detector: four heads, three phases, one product score.

After the public description of an InSwapper detector; :class:`MultiTaskStage` says which numbers
are its.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.utils.data import Dataset

import dfedge_models
from dfedge_models import ModelSignature, MultiTaskDetector, mixture_logit
from dfedge_models.multitask import FUSION
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.config import Phase
from dfedge_tools.training.groups import parameter_groups
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.task import Loss, ParameterGroup
from dfedge_tools.training.tasks.multitask_batches import MultiTaskBatch, MultiTaskBatches
from dfedge_tools.training.tasks.multitask_labels import (
    HEADS,
    UNKNOWN_QUALITY,
    class_weights,
    labels_of,
    quality_of,
)
from dfedge_tools.training.tasks.multitask_loss import multitask_loss
from dfedge_tools.training.tasks.pictures import normalized
from dfedge_tools.training.tasks.rows import by_label, rows_of
from dfedge_tools.training.tasks.scoring import auc, outputs_of, scored, video_auc
from dfedge_tools.training.tasks.stages import MultiTaskStage
from dfedge_tools.training.tasks.starting import load_initial, load_stage_before

ARCHITECTURE = "dfedge_convnext_tiny_multitask"


class MultiTaskNetwork(nn.Module):
    """The detector, with the logits of all heads for its output."""

    def __init__(self, detector: MultiTaskDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 3, S, S) normalized -> logits by head: (B, 1), of quality (B, 3)."""
        return self.detector.forward_heads(images)


class MultiTask:
    """See :class:`dfedge_tools.training.task.Task`.

    Raises:
        UsageError: The train split has no genuine picture.
    """

    def __init__(self, stage: MultiTaskStage, crops: Crops, start_from: Path | None = None) -> None:
        self.stage = stage
        self.crops = crops
        self.start_from = start_from
        self.signature = ModelSignature(img_size=stage.img_size)
        self.data = MultiTaskBatches(stage, crops)
        self.class_weights = torch.ones(len(HEADS), 2)
        if stage.balance_classes:
            self.class_weights = torch.from_numpy(class_weights(self.data.positive_shares()))

    @property
    def phases(self) -> Sequence[Phase]:
        """Those of the stage."""
        return self.stage.phases

    def network(self) -> MultiTaskNetwork:
        """A seeded detector, with the initial weights over it."""
        torch.manual_seed(self.stage.seed)
        detector = dfedge_models.create(
            ARCHITECTURE,
            img_size=self.stage.img_size,
            drop_rate=self.stage.drop_rate,
            drop_path_rate=self.stage.drop_path_rate,
        )
        net = MultiTaskNetwork(cast(MultiTaskDetector, detector))
        if self.start_from is None:
            load_initial(detector, self.stage.initial, net.detector.load_backbone)
        load_stage_before(net, self.start_from)
        return net

    def groups(self, net: nn.Module) -> list[ParameterGroup]:
        """Those of the stage's parts."""
        return parameter_groups(net, self.stage.parts)

    def batches(self, *, team_size: int) -> Dataset[MultiTaskBatch]:
        """Batches by number; the size of the team makes no difference to them."""
        return self.data

    def loss(self, net: nn.Module, batch: MultiTaskBatch) -> Loss:
        """The weighted loss of all heads."""
        return multitask_loss(
            net(normalized(batch.images, self.signature)),
            batch.targets,
            batch.known,
            batch.quality,
            self.class_weights.to(batch.targets.device),
            self.stage.head_weights,
            focal_gamma=self.stage.focal_gamma,
        )

    def validate(self, net: nn.Module) -> dict[str, float]:
        """AUC of the product score over videos, of each head over frames, and quality's accuracy.

        The product score is 0.55 real/fake + 0.30 InSwapper + 0.15 boundary, of the heads'
        probabilities. A head whose labels are all alike or unknown is left out.

        Raises:
            UsageError: The val split has not both classes.
        """
        rows = rows_of(self.crops, "val")
        by_label(self.crops, rows).need_both("pictures in split val")
        logits = self._logits(net, rows)
        samples = [self.crops.rows[number].sample for number in rows]
        product = video_auc(samples, _fused(logits).sigmoid().tolist())
        assert product is not None
        figures = {"score": product}
        labels = [labels_of(sample) for sample in samples]
        for place, name in enumerate(HEADS):
            known = [n for n, label in enumerate(labels) if label.known[place]]
            truth = [int(labels[n].targets[place]) for n in known]
            area = auc(truth, logits[known, place].tolist())
            if area is not None:
                figures[f"{name}_auc"] = area
        told = torch.tensor([quality_of(sample) for sample in samples])
        sure = told != UNKNOWN_QUALITY
        if sure.any():
            right = logits[sure, len(HEADS) :].argmax(dim=1) == told[sure]
            figures["quality_accuracy"] = float(right.float().mean())
        return figures

    def scores(self, net: nn.Module) -> list[Scored]:
        """Logits of the product score of every picture in val and held."""
        rows = rows_of(self.crops, "val", "held")
        logits = _fused(self._logits(net, rows)).tolist()
        return [
            scored(self.crops.rows[number].sample, logit)
            for number, logit in zip(rows, logits, strict=True)
        ]

    def weights(self, net: nn.Module) -> dict[str, torch.Tensor]:
        """The detector's."""
        return dict(net.get_submodule("detector").state_dict())

    def _logits(self, net: nn.Module, rows: Sequence[int]) -> torch.Tensor:
        """(N, 6): the three heads of one logit, then the three of quality."""
        return outputs_of(
            net,
            self.crops,
            rows,
            scale=self.stage.cut.exact,
            signature=self.signature,
            images=self.stage.images,
            read=lambda heads: torch.cat([heads[name] for name in (*HEADS, "quality")], dim=1),
        )


def _fused(logits: torch.Tensor) -> torch.Tensor:
    """(N, 3 or more) -> (N,), the logit of the product score."""
    return mixture_logit([logits[:, n] for n in range(len(HEADS))], tuple(FUSION.values()))
