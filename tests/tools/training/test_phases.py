"""Phases: what stands still when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dfedge.errors import UsageError
from dfedge_tools.training.config import Phase
from dfedge_tools.training.phases import Phases


def _net() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return nn.ModuleDict({"body": body, "head": nn.Linear(4, 1)})


def test_parts_freeze_and_thaw() -> None:
    """A frozen part gets no gradient and its norms keep their statistics, until it learns."""
    net = _net()
    phases = Phases(net, [Phase(0, ("body",)), Phase(5, rate_scale=0.1)])
    body = net.get_submodule("body")
    assert Phase(0, ("body",)) == phases.at(4)
    assert not any(p.requires_grad for p in body.parameters())
    before = net.get_buffer("body.1.running_mean").clone()
    body(torch.ones(2, 3, 8, 8))
    assert torch.equal(before, net.get_buffer("body.1.running_mean"))
    assert all(p.requires_grad for p in net.get_submodule("head").parameters())
    assert 0.1 == phases.at(5).rate_scale
    assert all(p.requires_grad for p in net.parameters())
    body(torch.ones(2, 3, 8, 8))
    assert not torch.equal(before, net.get_buffer("body.1.running_mean"))


def test_a_run_may_begin_in_a_later_phase() -> None:
    """A resumed run is in the phase of its step at once."""
    net = _net()
    assert 2 == Phases(net, [Phase(0), Phase(2, ("head",)), Phase(9)]).at(8).first_step
    assert not any(p.requires_grad for p in net.get_submodule("head").parameters())


@pytest.mark.parametrize("firsts", [(), (1,), (0, 5, 5), (0, 7, 3)])
def test_phases_out_of_order_are_refused(firsts: tuple[int, ...]) -> None:
    """Phases must begin at step 0 and rise."""
    with pytest.raises(UsageError, match="phases start at"):
        Phases(_net(), [Phase(first) for first in firsts])


def test_unknown_part_is_refused() -> None:
    """A phase that freezes what is not there is an error that names it."""
    with pytest.raises(UsageError, match="'tail'"):
        Phases(_net(), [Phase(0, ("tail",))])
