"""Batches of the multi-task detector: genuine and fake equally often, labels for four heads."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.fakes.blending import self_blend
from dfedge_tools.fakes.degrade import degrade_together
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.tasks.multitask_labels import (
    Labels,
    blend_labels,
    labels_of,
    worse_quality,
)
from dfedge_tools.training.tasks.pictures import cut_face, recompress, stack
from dfedge_tools.training.tasks.rows import by_label, one, rows_of
from dfedge_tools.training.tasks.stages import MultiTaskStage


@dataclass(frozen=True, slots=True)
class MultiTaskBatch:
    """Tensors of one step.

    Attributes:
        images: uint8, (B, 3, S, S), RGB.
        targets: float32, (B, 3): real/fake, InSwapper, boundary.
        known: float32, (B, 3), 0 where a target is not to be learned from.
        quality: int64, (B,).
    """

    images: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor
    quality: torch.Tensor

    def to(self, device: torch.device) -> MultiTaskBatch:
        """The same batch on another device."""
        return MultiTaskBatch(
            *(getattr(self, each.name).to(device, non_blocking=True) for each in fields(self))
        )


class MultiTaskBatches(Dataset[MultiTaskBatch]):
    """Map from a number to a batch; each picture is genuine or fake with one half.

    Raises:
        UsageError: The train split has no genuine picture.
    """

    def __init__(self, stage: MultiTaskStage, crops: Crops) -> None:
        self.stage = stage
        self.crops = crops
        self.rows = by_label(crops, rows_of(crops, "train"))
        if not self.rows.genuine:
            raise UsageError(
                "the packed pictures have no genuine one in split train; add some to the manifest "
                "and pack again"
            )
        self.blend_share = stage.blend_share if self.rows.fake else 1.0

    def __getitem__(self, number: int) -> MultiTaskBatch:
        """The batch of a number."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.stage.seed, number))
        made = [self._picture(rng) for _ in range(self.stage.images)]
        labels = [label for _, label in made]
        return MultiTaskBatch(
            images=stack([image for image, _ in made]),
            targets=torch.tensor([label.targets for label in labels], dtype=torch.float32),
            known=torch.tensor([label.known for label in labels], dtype=torch.float32),
            quality=torch.tensor([label.quality for label in labels]),
        )

    def positive_shares(self) -> npt.NDArray[np.float64]:
        """(3,), the expected share of positives for each head among what it learns from."""
        weighed: list[tuple[float, Labels]] = []
        for number in self.rows.genuine:
            sample = self.crops.rows[number].sample
            share = 0.5 / len(self.rows.genuine)
            weighed.append((share, labels_of(sample)))
            weighed.append((share * self.blend_share, blend_labels(sample)))
        for number in self.rows.fake:
            share = 0.5 * (1 - self.blend_share) / len(self.rows.fake)
            weighed.append((share, labels_of(self.crops.rows[number].sample)))
        share_of = np.array([share for share, _ in weighed])
        known = share_of[:, None] * np.array([label.known for _, label in weighed])
        targets = np.array([label.targets for _, label in weighed])
        return np.asarray((known * targets).sum(axis=0) / known.sum(axis=0), np.float64)

    def _picture(self, rng: np.random.Generator) -> tuple[Image, Labels]:
        stage = self.stage
        fake = rng.random() < 0.5
        blended = fake and rng.random() < self.blend_share
        row = one(self.rows.fake if fake and not blended else self.rows.genuine, rng)
        entry = self.crops.rows[row]
        stored = self.crops.image(row)
        image, points = cut_face(stored, entry.face, stage.cut, side=stage.img_size, rng=rng)
        labels = labels_of(entry.sample)
        if blended:
            image = self_blend(image, points, rng=rng, difficulty=stage.strength).fake
            labels = blend_labels(entry.sample)
        (image,) = degrade_together([image], rng=rng, strength=stage.strength)
        image, left = recompress(image, rng)
        quality = worse_quality(labels.quality, left)
        return image, Labels(labels.targets, labels.known, quality)
