"""What a model takes and gives: all that an export, a card or a runtime must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSignature:
    """Input and output of a detector.

    Attributes:
        img_size: side S of the square input, pixels.
        frames: T, frames a clip; 1 for a model of single pictures.
        mean: of RGB in [0, 1], subtracted first.
        std: of RGB in [0, 1], divided by.
        classes: one name a logit; a single logit is that of *fake*.
        fake_index: place of *fake* among the classes.
        activation: belongs to the logits; sigmoid for one class, or for several that were trained
            to exclude each other.
        aggregation: how the publisher makes one score of the frames of a clip.
    """

    img_size: int
    frames: int = 1
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    classes: tuple[str, ...] = ("fake",)
    fake_index: int = 0
    activation: Literal["sigmoid", "softmax"] = "sigmoid"
    aggregation: Literal["mean_logit", "mean_probability"] = "mean_logit"

    def input_shape(self, batch: int) -> tuple[int, ...]:
        """(batch, 3, S, S), or (batch, T, 3, S, S) for a model of clips."""
        picture = (3, self.img_size, self.img_size)
        return (batch, *picture) if self.frames == 1 else (batch, self.frames, *picture)

    def fake_log_odds(self, outputs: torch.Tensor) -> torch.Tensor:
        """(B, classes) logits -> (B,) log-odds of *fake*, as :func:`dfedge.scoring.fake_logits`."""
        fake = outputs[:, self.fake_index]
        if len(self.classes) == 1:
            return fake
        others = torch.cat(
            [outputs[:, : self.fake_index], outputs[:, self.fake_index + 1 :]], dim=1
        )
        if self.activation == "softmax":
            return fake - torch.logsumexp(others, dim=1)
        return F.logsigmoid(fake) - torch.logsumexp(F.logsigmoid(others), dim=1)
