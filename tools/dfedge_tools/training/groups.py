"""Which parameters learn at which rate, and which do not decay."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dfedge.errors import UsageError
from dfedge_tools.training.config import Part
from dfedge_tools.training.task import ParameterGroup

NEVER_DECAYS = "relative_position"
"""Tables of relative positions are matrices, and yet no weights."""


def parameter_groups(net: nn.Module, parts: Sequence[Part]) -> list[ParameterGroup]:
    """Two groups for each part: with its decay, and (biases, norms, position tables) without.

    Raises:
        UsageError: A part names a module that the network has not, or a parameter is in no part.
    """
    _check_names(net, parts)
    weights: dict[str, list[nn.Parameter]] = {part.name: [] for part in parts}
    others: dict[str, list[nn.Parameter]] = {part.name: [] for part in parts}
    for name, parameter in net.named_parameters():
        decays = parameter.ndim > 1 and NEVER_DECAYS not in name
        (weights if decays else others)[_part_of(name, parts).name].append(parameter)
    groups = []
    for part in parts:
        groups += [
            ParameterGroup(part.name, weights[part.name], part.learning_rate, part.weight_decay),
            ParameterGroup(f"{part.name} (no decay)", others[part.name], part.learning_rate, 0.0),
        ]
    return [group for group in groups if group.parameters]


def _part_of(name: str, parts: Sequence[Part]) -> Part:
    for part in parts:
        if any(_holds(module, name) for module in part.modules):
            return part
    raise UsageError(
        f"no part of the recipe has the parameter {name}; let the last take all: ('',)"
    )


def _holds(module: str, name: str) -> bool:
    return module == "" or name.startswith(module + ".")


def _check_names(net: nn.Module, parts: Sequence[Part]) -> None:
    known = {name for name, _ in net.named_modules()}
    for part in parts:
        for module in part.modules:
            if module not in known:
                raise UsageError(f"part {part.name} of the recipe: the network has no {module!r}")
