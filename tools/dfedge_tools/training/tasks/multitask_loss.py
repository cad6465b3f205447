"""The weighted loss of four heads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from dfedge_tools.training.task import Loss
from dfedge_tools.training.tasks.multitask_labels import HEADS, UNKNOWN_QUALITY
from dfedge_tools.training.tasks.stages import HeadWeights


def head_losses(
    logits: torch.Tensor,
    targets: torch.Tensor,
    known: torch.Tensor,
    class_weights: torch.Tensor,
    *,
    focal_gamma: float,
) -> torch.Tensor:
    """Binary cross entropy of each head, or focal loss, over the pictures whose label is known.

    Args:
        logits: (B, heads); targets and known likewise, of 0 and 1.
        class_weights: (heads, 2), of negatives and positives.
        focal_gamma: 0 for cross entropy. Focal loss (Lin et al., 2017) multiplies each element by
            (1 - probability of the right class) ** gamma.

    Returns:
        (heads,); 0 where a head's label is known of no picture.
    """
    element: torch.Tensor = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=focal_gamma)
    weight = torch.where(targets > 0.5, class_weights[:, 1], class_weights[:, 0]) * known
    return (element * weight).sum(dim=0) / known.sum(dim=0).clamp(min=1)


def quality_loss(logits: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Cross entropy over the pictures whose class is known, 0 where that is none of them."""
    summed = F.cross_entropy(logits, quality, ignore_index=UNKNOWN_QUALITY, reduction="sum")
    return summed / (quality != UNKNOWN_QUALITY).sum().clamp(min=1)


def multitask_loss(
    heads: Mapping[str, torch.Tensor],
    targets: torch.Tensor,
    known: torch.Tensor,
    quality: torch.Tensor,
    class_weights: torch.Tensor,
    weights: HeadWeights,
    *,
    focal_gamma: float,
) -> Loss:
    """The weighted sum, and each head's own loss without its weight."""
    binary = torch.cat([heads[name] for name in HEADS], dim=1).float()
    parts = dict(
        zip(
            HEADS,
            head_losses(binary, targets, known, class_weights, focal_gamma=focal_gamma),
            strict=True,
        )
    )
    parts["quality"] = quality_loss(heads["quality"].float(), quality)
    total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
    return Loss(total, {name: part.detach() for name, part in parts.items()})
