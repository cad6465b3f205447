"""Weights to start from: a published checkpoint, one of this project, or a backbone alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from dfedge.errors import UsageError
from dfedge_models import DetectorModel
from dfedge_tools.exporting.checkpoint import first_line, load_checkpoint, read_state
from dfedge_tools.training import checkpoints
from dfedge_tools.training.tasks.stages import RANDOM

LoadBackbone = Callable[[Mapping[str, torch.Tensor]], None]


def load_initial(model: DetectorModel, initial: str, load_backbone: LoadBackbone) -> None:
    """Load a file into a model: the whole of it where it fits, else its backbone.

    Args:
        model: Keeps its own weights where the file has none.
        initial: ``random``, which loads nothing, or the path of a state dict, plain or in a
            checkpoint; see :func:`dfedge_tools.exporting.checkpoint.load_checkpoint`.
        load_backbone: Takes the backbone out of a state; raises ValueError where it is none.

    Raises:
        UsageError: The file cannot be read, or holds neither; nothing has been loaded.
    """
    if initial == RANDOM:
        return
    path = Path(initial)
    if not path.is_file():
        raise UsageError(f"initial={initial}: there is no such file; correct it, or give random")
    try:
        load_checkpoint(model, path)
    except UsageError as whole:
        try:
            load_backbone(read_state(path))
        except ValueError as backbone:
            raise UsageError(f"{whole}; as a backbone alone: {backbone}") from backbone


def load_stage_before(net: nn.Module, checkpoint: Path | None) -> None:
    """Load the averaged weights of a stage that trained the same network.

    Raises:
        UsageError: The checkpoint cannot be read, or is of another network.
    """
    if checkpoint is None:
        return
    try:
        net.load_state_dict(checkpoints.load(checkpoint)["ema"])
    except RuntimeError as error:
        raise UsageError(
            f"{checkpoint}: holds another network ({first_line(error)}); the stages of a recipe "
            "must train the same one"
        ) from error
