"""What all models have in common, and what the edge models add to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import nn

from dfedge_models.signature import IMAGENET_MEAN, IMAGENET_STD, ModelSignature

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "DetectorModel",
    "FrameDetector",
    "Shapes",
    "backbone_entries",
    "check_entries",
    "checked_side",
    "load_exactly",
    "shapes_of",
]

Shapes: TypeAlias = dict[str, tuple[int, ...]]
"""Names of a state dict's entries, each with its shape."""


class DetectorModel(nn.Module, ABC):
    """A model that tells fake from real: normalised pictures in, logits out."""

    @property
    @abstractmethod
    def signature(self) -> ModelSignature:
        """What it takes and gives."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``signature.input_shape(B)`` -> (B, classes) logits."""

    def official_entries(self) -> Shapes:
        """Entries that a published checkpoint of this model holds, each with its shape.

        They are the model's own unless it says otherwise: a checkpoint may hold more, which is
        dropped, or the same by other names.
        """
        return shapes_of(self.state_dict())

    def from_official(self, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """A checkpoint by the model's own names, where the published ones are others."""
        return state

    def official_layout(self, state: Mapping[str, torch.Tensor]) -> Shapes:
        """Entries that a checkpoint must have to load: of several layouts, the one it looks like.

        There is but one, that of :meth:`official_entries`, unless a model says otherwise.
        """
        return self.official_entries()

    def load_official(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load a published checkpoint; strict, though what takes no part in the result is dropped.

        A model built on the meta device, where it costs no memory, takes the tensors over instead
        of copying them.

        Raises:
            ValueError: it is not exactly of :meth:`official_layout`; the message names entries that
                are missing, unexpected or misshapen, and nothing has been loaded.
        """
        layout = self.official_layout(state)
        check_entries(state, layout, what=f"{type(self).__name__} as published")
        state = self.from_official(state)
        own = self.state_dict()
        self.load_state_dict(
            {name: state[name].to(value.dtype) for name, value in own.items()},
            assign=any(value.is_meta for value in own.values()),
        )


class FrameDetector(DetectorModel):
    """An edge model: one logit for a face crop, and maps for training aids.

    Input: (B, 3, img_size, img_size), RGB in [0, 1], normalised by the ImageNet mean and standard
    deviation. Output: (B, 1), the logit of *fake*.

    Attributes:
        img_size: side of the square input, pixels.
        map_channels: channels of each map of :meth:`forward_with_maps`, by stride.
    """

    img_size: int
    map_channels: dict[int, int]

    @property
    def signature(self) -> ModelSignature:
        """One logit, ImageNet's normalisation."""
        return ModelSignature(img_size=self.img_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 1)."""
        return self.forward_with_maps(x)[0]

    @abstractmethod
    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Logits (B, 1), and the backbone's maps by stride, each (B, C, S / stride, S / stride).

        A training aid, such as a head that predicts the blended region, reads the maps; the
        exported graph holds none of it.
        """

    @abstractmethod
    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over the backbone alone; everything else stays as it is.

        Args:
            state: of a model trained before. Names start with ``feat_extractor.backbone.``, with
                ``backbone.``, or are the backbone's own; others beside a prefix are left out.

        Raises:
            ValueError: the state does not hold exactly this backbone; the message names entries.
        """


def checked_side(img_size: int, stride: int) -> int:
    """The side of an input, pixels.

    Raises:
        ValueError: a network that halves it down to ``stride`` cannot take it.
    """
    if img_size < stride or img_size % stride:
        raise ValueError(f"img_size is {img_size}, it must be a multiple of {stride}")
    return img_size


def load_exactly(module: nn.Module, state: Mapping[str, torch.Tensor], *, what: str) -> None:
    """Load a state that must have each entry of the module, none more, in its shape.

    Raises:
        ValueError: it has not; nothing has been loaded then.
    """
    check_entries(state, shapes_of(module.state_dict()), what=what)
    module.load_state_dict(dict(state))


def check_entries(state: Mapping[str, torch.Tensor], expected: Shapes, *, what: str) -> None:
    """Refuse a state that has not exactly these entries.

    Raises:
        ValueError: with the first three entries at fault, and the number of the others.
    """
    problems = [f"lacks {name}" for name in expected if name not in state]
    problems += [f"has {name}, which the model has not" for name in state if name not in expected]
    problems += [
        f"{name} is {tuple(state[name].shape)}, in the model {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        shown = "; ".join(problems[:3])
        more = f"; {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(f"the weights do not fit {what}: {shown}{more}; give those made for it")


def shapes_of(state: Mapping[str, torch.Tensor]) -> Shapes:
    """The shape of each entry of a state."""
    return {name: tuple(value.shape) for name, value in state.items()}


def backbone_entries(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The backbone's entries of a state, by their names inside the backbone."""
    for prefix in ("feat_extractor.backbone.", "backbone."):
        found = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        if found:
            return found
    return dict(state)
