"""Distillation: a trained detector whose logits a smaller one learns besides the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

import dfedge_models
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.errors import UsageError
from dfedge.runtime import open_model
from dfedge.scoring import fake_logits
from dfedge_models.detector import DetectorModel
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.training.config import Distillation

TORCH_SUFFIXES = (".pt", ".pth", ".safetensors")


class Teacher(Protocol):
    """A trained detector."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, S, S), RGB -> log-odds of *fake* (B,), without gradient."""


def open_teacher(config: Distillation) -> Teacher:
    """The teacher of a recipe.

    Raises:
        UsageError: The weights do not fit, or the bundle looks at more than one frame.
        BundleError: There is no such bundle, or it is not sound.
    """
    if Path(config.teacher).suffix in TORCH_SUFFIXES:
        return TorchTeacher(config)
    return BundleTeacher(config.teacher)


class TorchTeacher:
    """An architecture of this project with trained weights; goes where the pictures are."""

    def __init__(self, config: Distillation) -> None:
        side = {"img_size": config.side} if config.side else {}
        try:
            self._net: DetectorModel = dfedge_models.create(config.architecture, **side)
        except ValueError as error:
            raise UsageError(f"distillation.architecture: {error}") from error
        _refuse_clips("distillation.architecture", config.architecture, self._net.signature.frames)
        load_checkpoint(self._net, Path(config.teacher))
        self._net.eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See :class:`Teacher`."""
        net, signature = self._net.to(images.device), self._net.signature
        pictures = resized(images, signature.img_size, signature.img_size)
        outputs = net(standardized(pictures, signature.mean, signature.std))
        return signature.fake_log_odds(outputs.float())


class BundleTeacher:
    """A detector bundle, run by the SDK's runtime on the CPU."""

    def __init__(self, name: str) -> None:
        bundle, self._card = resolve_detector(name)
        _refuse_clips("distillation.teacher", name, self._card.input.frames)
        self._model = open_model(bundle, device="cpu")

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """See :class:`Teacher`."""
        card: DetectorCard = self._card
        pictures = resized(images.cpu(), card.input.height, card.input.width)
        values = standardized(pictures, card.input.mean, card.input.std).numpy()
        outputs = self._model.run({card.input.name: values})[card.output.name]
        return torch.from_numpy(np.asarray(fake_logits(outputs, card.output), np.float32)).to(
            images.device
        )


def distilled_loss(
    hard: torch.Tensor, student: torch.Tensor, teacher: torch.Tensor, config: Distillation
) -> torch.Tensor:
    """The loss on labels mixed with the cross entropy against the teacher's softened answer.

    Args:
        hard: Loss on the labels, scalar.
        student: Logits (B,).
        teacher: Logits (B,).
    """
    heat = config.temperature
    soft = binary_cross_entropy_with_logits(student / heat, torch.sigmoid(teacher / heat))
    return (1 - config.weight) * hard + config.weight * heat**2 * soft


def resized(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """uint8 (B, 3, H, W) -> float32 at another size, 0 to 255, antialiased."""
    floats = images.float()
    if images.shape[-2:] == (height, width):
        return floats
    return interpolate(floats, (height, width), mode="bilinear", antialias=True)


def standardized(images: torch.Tensor, mean: Any, deviation: Any) -> torch.Tensor:
    """0 to 255 -> by mean and deviation of values 0 to 1, channels in the second dimension."""
    shape = (1, 3, 1, 1)
    middle = images.new_tensor(mean).view(shape) * 255
    return (images - middle) / (images.new_tensor(deviation).view(shape) * 255)


def _refuse_clips(key: str, value: str, frames: int) -> None:
    if frames != 1:
        raise UsageError(
            f"{key}={value}: looks at {frames} frames at once, and the student at one; give a "
            "teacher of single frames"
        )
