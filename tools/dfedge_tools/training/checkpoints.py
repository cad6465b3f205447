"""Checkpoints that a killed run resumes from, written so that a kill while writing is harmless."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from dfedge.errors import UsageError

FORMAT = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write plain tensors and containers to `path`: whole, or the file before stays.

    Raises:
        UsageError: The disk is full, or the folder may not be written.
    """
    _write(path, lambda file: torch.save({"format": FORMAT, **state}, file))


def save_weights(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Write a plain state dict, as :func:`save` does; the same weights give the same bytes.

    Raises:
        UsageError: The disk is full, or the folder may not be written.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    _write(path, lambda file: torch.save(plain, file))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, as :func:`save` does.

    Raises:
        UsageError: The disk is full, or the folder may not be written.
    """
    _write(path, lambda file: file.write(text.encode()))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is ever executed.

    Raises:
        UsageError: The file is not a checkpoint of this format.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UsageError(
            f"{path}: cannot be read as a training checkpoint; give another --out, or remove it "
            "to start anew"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UsageError(
            f"{path}: is no training checkpoint of format {FORMAT}; give another --out, or remove "
            "it to start anew"
        )
    return state


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        problem = _os_error(error)
        if problem is None:
            raise
        part.unlink(missing_ok=True)
        raise UsageError(
            f"{path}: could not be saved ({problem.strerror}); what was saved before is still "
            "there: make room, then the same command goes on from it"
        ) from error


def _os_error(error: BaseException | None) -> OSError | None:
    """What the system said: torch's writer wraps it in an error of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
