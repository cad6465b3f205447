"""The moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dfedge.errors import UsageError
from dfedge_tools.training.averaging import Averaged, mean_of


def test_average_by_hand() -> None:
    """The first step keeps a tenth of the old weights, a late one as much as the decay says."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = Averaged(net, decay=0.75)
    nn.init.ones_(net.weight)
    average.follow(net, 0)
    assert torch.allclose(torch.tensor(0.9), average.net.get_parameter("weight"))
    average.follow(net, 1000)
    assert torch.allclose(torch.tensor(0.925), average.net.get_parameter("weight"))


def test_without_decay_it_is_the_network() -> None:
    """A decay of 0 gives the network itself, its norms' statistics and counters with it."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = Averaged(net, decay=0.0)
    net(torch.randn(4, 1, 2, 2))
    average.follow(net, 7)
    mine, other = net.state_dict(), average.net.state_dict()
    assert all(torch.equal(mine[name], other[name]) for name in mine)
    assert not any(p.requires_grad for p in average.net.parameters())


def test_mean_of_stages_by_hand() -> None:
    """Weights are averaged, counters are those of the last stage."""
    first = {"weight": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)}
    second = {"weight": torch.tensor([3.0, 6.0]), "count": torch.tensor(8)}
    mean = mean_of([first, second])
    assert torch.equal(torch.tensor([2.0, 4.0]), mean["weight"])
    assert torch.equal(torch.tensor(8), mean["count"])


def test_stages_of_different_networks_have_no_mean() -> None:
    """A shape that differs is refused."""
    with pytest.raises(UsageError, match="different networks"):
        mean_of([{"weight": torch.zeros(2)}, {"weight": torch.zeros(3)}])
