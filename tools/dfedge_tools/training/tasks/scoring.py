"""What a network says of pictures and clips that it does not learn from, and how good that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from dfedge_models import ModelSignature
from dfedge_tools.data.manifest import Sample
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.tasks.pictures import normalized, stack
from dfedge_tools.training.validate import contract_crop


@torch.inference_mode()
def outputs_of(
    net: nn.Module,
    crops: Crops,
    rows: Sequence[int],
    *,
    scale: float,
    signature: ModelSignature,
    images: int,
    read: Callable[[Any], torch.Tensor],
) -> torch.Tensor:
    """What a network of pictures says of rows, cut as the runtime cuts them.

    Args:
        scale: Of the crop, in longer sides of the face box.
        images: Pictures at a time.
        read: From what the network gives of B pictures to (B, K).

    Returns:
        float32 (N, K), on the CPU.
    """
    net.eval()
    device = next(net.parameters()).device
    parts = []
    for start in range(0, len(rows), images):
        pictures = [
            contract_crop(
                crops.image(number),
                crops.rows[number].face.box,
                scale=scale,
                side=signature.img_size,
            )
            for number in rows[start : start + images]
        ]
        parts.append(read(net(normalized(stack(pictures).to(device), signature))).float().cpu())
    return torch.cat(parts)


def auc(labels: Sequence[int], scores: Sequence[float]) -> float | None:
    """Area under the ROC curve; None where one of the classes is missing."""
    return float(roc_auc_score(labels, scores)) if {0, 1} <= set(labels) else None


def video_auc(samples: Iterable[Sample], probabilities: Iterable[float]) -> float | None:
    """AUC of the mean probability of each video; None where one of the classes is missing."""
    labels: dict[tuple[str, str], int] = {}
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sample, probability in zip(samples, probabilities, strict=True):
        key = sample.source, sample.video_id
        labels[key] = sample.label
        values[key].append(probability)
    return auc(list(labels.values()), [float(np.mean(values[key])) for key in labels])


def scored(sample: Sample, logit: float) -> Scored:
    """A row of the table of scores."""
    return Scored(
        sample.video_id,
        sample.label,
        sample.method,
        sample.compression,
        sample.source,
        sample.split,
        logit,
        frame=sample.frame,
        identity=sample.target_id,
        path=sample.path,
    )
