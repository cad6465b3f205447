"""Crops of the frames nothing is trained on, cut as the runtime cuts them, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PillowImage
from torch import nn

from dfedge.bundles.card import CropContract
from dfedge.crops import crop_box, cut
from dfedge.types import Box, Image
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.config import IMAGENET_MEAN, IMAGENET_STD
from dfedge_tools.training.stores import Crops


class ValidationSet:
    """Crops cut exactly as the runtime cuts them, ready to score again and again."""

    def __init__(
        self, store: Crops, *, splits: Sequence[str], side: int, scale: float = 1.4
    ) -> None:
        self.rows = [n for n, row in enumerate(store.rows) if row.sample.split in splits]
        self.samples = [store.rows[n].sample for n in self.rows]
        crops = [
            contract_crop(store.image(n), store.rows[n].face.box, scale=scale, side=side)
            for n in self.rows
        ]
        self.crops: npt.NDArray[np.uint8] = np.stack(crops)
        """(N, side, side, 3)."""

    def score(self, net: nn.Module, *, batch: int = 32) -> list[Scored]:
        """Logits of a network whose forward gives (logits, ...) or logits, in eval mode."""
        net.eval()
        device = next(net.parameters()).device
        logits: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(self.crops), batch):
                part = np.ascontiguousarray(self.crops[start : start + batch].transpose(0, 3, 1, 2))
                out = net(normalize(torch.from_numpy(part).to(device)))
                values = out[0] if isinstance(out, tuple) else out
                logits.extend(float(v) for v in values.reshape(-1))
        return [
            Scored(
                s.video_id,
                s.label,
                s.method,
                s.compression,
                s.source,
                s.split,
                logit,
                frame=s.frame,
                identity=s.target_id,
                path=s.path,
            )
            for s, logit in zip(self.samples, logits, strict=True)
        ]


def contract_crop(
    image: Image, box: tuple[float, float, float, float], *, scale: float, side: int
) -> Image:
    """The runtime's crop, with its arithmetic: squared, rounded half up, black outside.

    The resize is antialiased bilinear, rounded to whole levels, which the runtime does not do: a
    difference of at most one grey level.
    """
    contract = CropContract(
        box_source="blazeface-full-range",
        margin=(scale - 1) / 2,
        squaring="longer_side",
        resize="stretch",
    )
    crop = PillowImage.fromarray(cut(image, crop_box(Box(*box), contract)))
    return np.asarray(crop.resize((side, side), PillowImage.Resampling.BILINEAR), np.uint8)


def normalize(images: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 3, S, S) -> float32 with ImageNet mean and deviation, channels last."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1) * 255
    deviation = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1) * 255
    floats = images.to(torch.float32, memory_format=torch.channels_last)
    return floats.sub_(mean).div_(deviation)
