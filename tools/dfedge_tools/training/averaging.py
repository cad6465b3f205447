"""The moving average of the weights, which is what is validated and shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dfedge.errors import UsageError


class Averaged:
    """A copy of a network that follows it slowly.

    Args:
        decay: Share of itself that the average keeps at each step; in the first steps less, so that
            it is not held back by the weights before training. 0: the average is the network.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = deepcopy(net).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, net: nn.Module, step: int) -> None:
        """Move towards `net` after its step `step` (from 0). Counters are taken over."""
        decay = min(self._decay, (1 + step) / (10 + step))
        means, nows = [], []
        for mean, now in zip(
            self.net.state_dict().values(), net.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                means.append(mean)
                nows.append(now)
            else:
                mean.copy_(now)
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(means, nows, step)


def mean_of(states: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of the weights of one network at several stages; counters are those of the last.

    Raises:
        UsageError: They are of different networks.
    """
    first = states[0]
    for other in states[1:]:
        if {n: v.shape for n, v in first.items()} != {n: v.shape for n, v in other.items()}:
            raise UsageError("soup: the stages are of different networks; average those of one")
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(last.dtype)
        if last.is_floating_point()
        else last
        for name, last in states[-1].items()
    }
