"""From rows of a store to tensors: cut, change as a camera or a codec would, stack, normalize."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from dfedge.types import Image
from dfedge_models import ModelSignature
from dfedge_tools.data.faces import FaceRecord
from dfedge_tools.fakes.codecs import jpeg
from dfedge_tools.fakes.cutting import chain, crop_matrix, move_keypoints, warp_crop
from dfedge_tools.training.tasks.stages import Cut

MILD_JPEG = (60, 86)
"""Qualities of a picture that looks as web sites encode, from and below."""
STRONG_JPEG = (25, 50)
"""Qualities that leave blocks and smears."""


def cut_face(
    image: Image, face: FaceRecord, cut: Cut, *, side: int, rng: np.random.Generator
) -> tuple[Image, list[float]]:
    """A square of `side` pixels and the six key points in it; mirrored half of the time."""
    matrix = crop_matrix(
        face.box,
        scale=cut.scales[int(rng.integers(len(cut.scales)))]
        * rng.uniform(1 - cut.spread, 1 + cut.spread),
        shift=(rng.uniform(-cut.shift, cut.shift), rng.uniform(-cut.shift, cut.shift)),
        side=side,
        flip=bool(rng.random() < 0.5),
    )
    degrees = rng.uniform(-cut.turn_degrees, cut.turn_degrees)
    middle = (side - 1) / 2
    turn = np.asarray(cv2.getRotationMatrix2D((middle, middle), degrees, 1.0), np.float32)
    matrix = chain(matrix, turn)
    return warp_crop(image, matrix, side), move_keypoints(face.keypoints, matrix)


def recompress(image: Image, rng: np.random.Generator) -> tuple[Image, int]:
    """The picture after JPEG, and what that left of it.

    Two in five pictures stay as they are (0), two in five get a mild quality (1), one in five a
    strong one (2).
    """
    kind = rng.random()
    if kind < 0.4:
        return image, 0
    low, high = MILD_JPEG if kind < 0.8 else STRONG_JPEG
    return jpeg(image, int(rng.integers(low, high))), 1 if kind < 0.8 else 2


def stack(images: Sequence[Image]) -> torch.Tensor:
    """(S, S, 3) each -> uint8 (B, 3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


def normalized(images: torch.Tensor, signature: ModelSignature) -> torch.Tensor:
    """uint8 (..., 3, S, S) -> float32 by the mean and deviation of a model, on the same device."""
    mean = torch.tensor(signature.mean, device=images.device).view(3, 1, 1) * 255
    deviation = torch.tensor(signature.std, device=images.device).view(3, 1, 1) * 255
    return (images.float() - mean) / deviation
