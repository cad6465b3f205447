"""GenConViT's networks: classification, reconstruction and, for the VAE, divergence.

After the paper (arXiv:2307.07036); the published code is GPL-3 and is not used here.
:class:`GenConViTStage` says which numbers are the paper's. Class 0 is *fake*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from dfedge.types import Image
from dfedge_models import GenConViTED, GenConViTVAE
from dfedge_models.detector import load_exactly
from dfedge_models.genconvit import CLASSES, genconvit_signature
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.fakes.degrade import degrade_together
from dfedge_tools.training.config import Phase
from dfedge_tools.training.groups import parameter_groups
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.task import Loss, ParameterGroup
from dfedge_tools.training.tasks.genconvit_networks import EDNetwork, Remade, VAENetwork
from dfedge_tools.training.tasks.pictures import cut_face, normalized, recompress, stack
from dfedge_tools.training.tasks.rows import by_label, rows_of
from dfedge_tools.training.tasks.scoring import auc, outputs_of, scored, video_auc
from dfedge_tools.training.tasks.stages import GenConViTStage
from dfedge_tools.training.tasks.starting import load_initial, load_stage_before


@dataclass(frozen=True, slots=True)
class GenConViTBatch:
    """Tensors of one step.

    Attributes:
        images: uint8, (B, 3, S, S), RGB.
        classes: int64, (B,): 0 fake, 1 real, as the network has them.
    """

    images: torch.Tensor
    classes: torch.Tensor

    def to(self, device: torch.device) -> GenConViTBatch:
        """The same batch on another device."""
        images = self.images.to(device, non_blocking=True)
        return GenConViTBatch(images, self.classes.to(device, non_blocking=True))


class GenConViTTask:
    """See :class:`dfedge_tools.training.task.Task`.

    Raises:
        UsageError: The train split has not both classes.
    """

    def __init__(self, stage: GenConViTStage, crops: Crops, start_from: Path | None = None) -> None:
        self.stage = stage
        self.crops = crops
        self.start_from = start_from
        self.data = GenConViTBatches(stage, crops)
        self.signature = genconvit_signature(stage.img_size)

    @property
    def phases(self) -> Sequence[Phase]:
        """Everything learns all the time."""
        return (Phase(0),)

    def network(self) -> EDNetwork | VAENetwork:
        """A seeded network, with the initial weights over it."""
        torch.manual_seed(self.stage.seed)
        net: EDNetwork | VAENetwork
        if self.stage.network == "ed":
            net = EDNetwork(GenConViTED(img_size=self.stage.img_size))
            backbone = net.detector.backbone
        else:
            net = VAENetwork(GenConViTVAE(img_size=self.stage.img_size))
            backbone = net.detector.convnext_backbone
        if self.start_from is None:
            load_initial(
                net.detector,
                self.stage.initial,
                lambda state: load_exactly(backbone, state, what="the backbone"),
            )
        load_stage_before(net, self.start_from)
        return net

    def groups(self, net: nn.Module) -> list[ParameterGroup]:
        """Those of the stage's parts."""
        return parameter_groups(net, self.stage.parts)

    def batches(self, *, team_size: int) -> Dataset[GenConViTBatch]:
        """Batches by number; the size of the team makes no difference to them."""
        return self.data

    def loss(self, net: nn.Module, batch: GenConViTBatch) -> Loss:
        """Cross entropy, reconstruction error and divergence, weighted as the stage says."""
        out: Remade = net(normalized(batch.images, self.signature))
        entropy = F.cross_entropy(out.logits.float(), batch.classes)
        total = entropy + self.stage.reconstruction_weight * out.error
        parts = {"cls": entropy.detach(), "mse": out.error.detach()}
        if self.stage.network == "vae":
            total = total + self.stage.kl_weight * out.divergence
            parts["kl"] = out.divergence.detach()
        return Loss(total, parts)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """AUC of the mean probability over videos (``score``), and over frames.

        Raises:
            UsageError: The val split has not both classes.
        """
        rows = rows_of(self.crops, "val")
        by_label(self.crops, rows).need_both("pictures in split val")
        samples = [self.crops.rows[number].sample for number in rows]
        odds = self._log_odds(net, rows)
        score = video_auc(samples, odds.sigmoid().tolist())
        frames = auc([sample.label for sample in samples], odds.tolist())
        assert score is not None
        assert frames is not None
        return {"score": score, "frame_auc": frames}

    def scores(self, net: nn.Module) -> list[Scored]:
        """Log-odds of *fake* of every picture in val and held."""
        rows = rows_of(self.crops, "val", "held")
        odds = self._log_odds(net, rows).tolist()
        return [
            scored(self.crops.rows[number].sample, value)
            for number, value in zip(rows, odds, strict=True)
        ]

    def weights(self, net: nn.Module) -> dict[str, torch.Tensor]:
        """The detector's, without the layer of the variance."""
        return dict(net.get_submodule("detector").state_dict())

    def _log_odds(self, net: nn.Module, rows: Sequence[int]) -> torch.Tensor:
        logits = outputs_of(
            net,
            self.crops,
            rows,
            scale=self.stage.cut.exact,
            signature=self.signature,
            images=self.stage.images,
            read=lambda out: out.logits,
        )
        return self.signature.fake_log_odds(logits)


class GenConViTBatches(Dataset[GenConViTBatch]):
    """Map from a number to a batch, genuine and fake pictures equally often.

    Mirrored, turned, moved and scaled, changed in colour, size, blur and noise, compressed.
    """

    def __init__(self, stage: GenConViTStage, crops: Crops) -> None:
        self.stage = stage
        self.crops = crops
        self.rows = by_label(crops, rows_of(crops, "train"))
        self.rows.need_both("pictures in split train")

    def __getitem__(self, number: int) -> GenConViTBatch:
        """The batch of a number."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.stage.seed, number))
        rows = [self.rows.draw(rng) for _ in range(self.stage.images)]
        labels = [self.crops.rows[row].sample.label for row in rows]
        return GenConViTBatch(
            images=stack([self._picture(row, rng) for row in rows]),
            classes=torch.tensor([CLASSES.index("fake" if label else "real") for label in labels]),
        )

    def _picture(self, row: int, rng: np.random.Generator) -> Image:
        stage, face = self.stage, self.crops.rows[row].face
        stored = self.crops.image(row)
        image, _ = cut_face(stored, face, stage.cut, side=stage.img_size, rng=rng)
        (image,) = degrade_together([image], rng=rng, strength=stage.strength)
        return recompress(image, rng)[0]
