"""Weights from a file into an architecture; nothing in the file is ever executed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

from dfedge.errors import UsageError
from dfedge_models import DetectorModel
from dfedge_models.detector import load_exactly

CONTAINERS = ("ema", "model_state_dict", "state_dict", "model")
"""Keys under which training programs keep the weights, the average before the last step."""
PREFIXES = ("detector.", "module.", "model.")
"""What a wrapper puts before each name."""


def load_checkpoint(model: DetectorModel, path: Path) -> None:
    """Load all weights of a model, strictly.

    The file holds a state dict, or has it under one of :data:`CONTAINERS`; a prefix of
    :data:`PREFIXES` is taken off, and what lies beside it (a mask head) is left out.

    Raises:
        UsageError: the file cannot be read, holds no state dict, or one of another model.
    """
    state = _state_dict(path)
    own = set(model.state_dict())
    for prefix in PREFIXES:
        inner = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        if own & inner.keys() and not own & state.keys():
            state = inner
    try:
        load_exactly(model, state, what="the architecture")
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); correct --checkpoint"
        ) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: is no file of plain torch weights ({_first_line(error)}); save a state dict"
        ) from error
    for key in CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not (
        isinstance(content, Mapping)
        and content
        and all(isinstance(value, torch.Tensor) for value in content.values())
    ):
        raise UsageError(f"{path}: holds no state dict; save the model's state_dict()")
    return {str(name): value for name, value in content.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
