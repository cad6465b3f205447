"""Non-maximum suppression: many overlapping detections in, one a face out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfedge.types import Tensor


def weighted_suppression(
    coordinates: Tensor, scores: Tensor, *, max_iou: float
) -> tuple[Tensor, Tensor]:
    """Blend detections that overlap, as MediaPipe's graphs do (``algorithm: WEIGHTED``).

    Takes coordinates (n, 4 + k), of which the first four are left, top, right, bottom, and scores
    (n,). The best detection takes in all that overlap it by more than ``max_iou``; the result has
    its score and the mean of their coordinates, weighted by score; the rest is treated alike.
    Returns coordinates (m, 4 + k) and scores (m,), best first.
    """
    order = np.argsort(-scores, kind="stable")
    coordinates, scores = coordinates[order], scores[order]
    blended, best_scores = [], []
    while len(scores):
        together = overlap_ratios(coordinates[0], coordinates) > max_iou
        together[0] = True
        weights = scores[together, None]
        blended.append((coordinates[together] * weights).sum(axis=0) / weights.sum())
        best_scores.append(scores[0])
        coordinates, scores = coordinates[~together], scores[~together]
    if not blended:
        return coordinates, scores
    return np.stack(blended), np.asarray(best_scores, np.float32)


def overlap_ratios(box: Tensor, boxes: Tensor) -> npt.NDArray[np.floating]:
    """Return the intersection over union of ``box`` (4+,) with each of ``boxes`` (n, 4+)."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    intersection = np.clip(width, 0.0, None) * np.clip(height, 0.0, None)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(intersection / (area + areas - intersection))
