"""Weights from a file into an architecture; nothing in the file is ever executed."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dfedge.errors import UsageError
from dfedge_models import DetectorModel
from dfedge_models.detector import Shapes, shapes_of

CONTAINERS = ("ema", "model_state_dict", "state_dict", "model")
"""Keys under which training programs keep the weights, the average before the last step."""
TRAINING_PREFIX = "detector."
"""Of the detector's names in this project's training; what lies beside it is left out."""
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What a wrapper (data parallel, Lightning, torch.compile) puts before every name."""
SAFETENSORS = ".safetensors"
NAMED = 5
"""Entries of each kind that a message names."""

State = dict[str, torch.Tensor]


def load_checkpoint(model: DetectorModel, path: Path) -> None:
    """Load all weights of a model, strictly.

    The entries are the model's own, or those of its published checkpoints
    (:meth:`DetectorModel.official_layout`), of which what takes no part in the result is dropped.

    Raises:
        UsageError: the file cannot be read, holds no state dict, or one of another model; the
            message counts and names what is missing, unexpected or misshapen.
    """
    state = read_state(path)
    own, official = shapes_of(model.state_dict()), model.official_entries()
    plain = _without_prefix(state, own)
    problems = misfits(plain, own)
    if not any(problems.values()):
        model.load_state_dict(plain)
        return
    published = _without_prefix(state, official)
    problems = misfits(published, model.official_layout(published))
    if any(problems.values()):
        raise UsageError(_misfit_message(path, problems))
    model.load_official(published)


def read_state(path: Path) -> State:
    """The state dict of a file: plain, or under one of :data:`CONTAINERS`, or safetensors.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    content = _read(path)
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


def misfits(state: Mapping[str, torch.Tensor], expected: Shapes) -> dict[str, list[str]]:
    """What keeps a state from being one of these entries: kind of problem -> entries, maybe none.

    The kinds are ``missing``, ``unexpected`` and ``of another shape``.
    """
    return {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {shape}"
            for name, shape in expected.items()
            if name in state and tuple(state[name].shape) != shape
        ],
    }


def _read(path: Path) -> Any:
    try:
        if path.suffix == SAFETENSORS:
            return load_file(path)
        # A zip is mapped, not read: of a large checkpoint only what is used comes into memory.
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); correct --checkpoint"
        ) from error
    except (
        pickle.UnpicklingError,
        SafetensorError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
    ) as error:
        raise UsageError(
            f"{path}: is no file of plain torch weights ({first_line(error)}); save a state dict"
        ) from error


def _without_prefix(state: State, expected: Shapes) -> State:
    """The state by the expected names, where a wrapper put something before each of them."""
    for _ in range(len(PREFIXES)):
        if expected.keys() & state.keys():
            return state
        inner = _under(state, TRAINING_PREFIX)
        if expected.keys() & inner.keys():
            return inner
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)
        if prefix is None:
            return state
        state = _under(state, prefix)
    return state


def _under(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _misfit_message(path: Path, problems: Mapping[str, Sequence[str]]) -> str:
    told = []
    for kind, entries in problems.items():
        if entries:
            verb = "lacks" if kind == "missing" else "has"
            word = "" if kind == "missing" else f" {kind}"
            more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
            told.append(f"{verb} {len(entries)}{word} ({', '.join(entries[:NAMED])}{more})")
    return (
        f"{path}: the weights do not fit the architecture: {'; '.join(told)}; give the file made "
        "for it"
    )


def first_line(error: Exception) -> str:
    """The gist of an error of another library, for a message of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
