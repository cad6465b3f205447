"""Phases: which parts of the network stand still at a step."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dfedge.errors import UsageError
from dfedge_tools.training.config import Phase


class Phases:
    """Freezes and thaws submodules as a stage goes on.

    Raises:
        UsageError: The phases are out of order, or name a submodule that the network has not.
    """

    def __init__(self, net: nn.Module, phases: Sequence[Phase]) -> None:
        firsts = [phase.first_step for phase in phases]
        if not phases or firsts[0] != 0 or firsts != sorted(set(firsts)):
            raise UsageError(f"phases start at steps {firsts}: they must rise from 0")
        self._net = net
        self._phases = phases
        self._frozen = {
            phase: [_submodule(net, name) for name in phase.frozen] for phase in set(phases)
        }
        self._current: Phase | None = None

    def at(self, step: int) -> Phase:
        """Put the network into the state of a step, in training mode; the phase it is in."""
        phase = [p for p in self._phases if p.first_step <= step][-1]
        if phase is not self._current:
            self._net.requires_grad_(True)
            for part in self._frozen[phase]:
                part.requires_grad_(False)
            self._current = phase
        self._net.train()
        for part in self._frozen[phase]:
            part.eval()
        return phase


def _submodule(net: nn.Module, name: str) -> nn.Module:
    try:
        return net.get_submodule(name)
    except AttributeError:
        raise UsageError(f"a phase freezes {name!r}, which the network has not") from None
