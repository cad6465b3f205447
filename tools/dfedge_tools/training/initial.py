"""The weights a network starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from dfedge.errors import UsageError
from dfedge_models.detector import FrameDetector
from dfedge_models.ms_eff_gcvit import MSEffGCViT, resize_windows
from dfedge_tools.exporting.checkpoint import read_state
from dfedge_tools.training.imagenet import load_lite0
from dfedge_tools.training.networks import DetectorTrainer


def load_initial(net: DetectorTrainer, initial: Path | str) -> None:
    """Load what a stage starts from.

    Args:
        net: A fresh one, of a stage.
        initial: ``random`` (nothing is loaded), ``imagenet`` (the backbone of b0), or a file: a
            checkpoint of this or an earlier stage, or plain weights of the detector or of its
            backbone.

    Raises:
        UsageError: There is no such file, it fits neither the network nor its backbone, or the
            ImageNet weights are not to be had.
    """
    if initial == "random":
        return
    if initial == "imagenet":
        _load_imagenet(net)
        return
    path = Path(initial)
    if not path.is_file():
        raise UsageError(f"initial={initial}: there is no such file; or give random or imagenet")
    try:
        _load_state(net, read_state(path))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{path}: does not fit the network to start from it: {error}") from error


def _load_imagenet(net: DetectorTrainer) -> None:
    state = net.backbone.state_dict()
    try:
        net.backbone.load_state_dict(load_lite0(state))
    except ValueError as error:
        raise UsageError(
            f"initial=imagenet: {error}; or give --set initial=FILE or initial=random"
        ) from error


def _load_state(net: DetectorTrainer, state: Mapping[str, torch.Tensor]) -> None:
    if state.keys() == net.state_dict().keys():
        net.load_state_dict(_at_size(net, state))
    elif any(name.startswith("mask_head.") for name in state):
        net.start_from(state)
    elif state.keys() == net.detector.state_dict().keys():
        net.detector.load_state_dict(_detector_at_size(net.detector, state))
    else:
        net.detector.load_backbone(state)


def _at_size(net: DetectorTrainer, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The state of a whole stage; position tables of another input side are interpolated."""
    prefix = "detector."
    inner = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    outer = {k: v for k, v in state.items() if not k.startswith(prefix)}
    resized = _detector_at_size(net.detector, inner)
    return outer | {prefix + name: value for name, value in resized.items()}


def _detector_at_size(
    detector: FrameDetector, state: Mapping[str, torch.Tensor]
) -> Mapping[str, torch.Tensor]:
    return resize_windows(state, detector) if isinstance(detector, MSEffGCViT) else state
