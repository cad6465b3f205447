"""A team of processes averages its gradients."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from dfedge_tools.training.team import Team, run_team


def _step(folder: Path, team: Team) -> None:
    """One gradient that depends on the rank, averaged and written down."""
    net = nn.Linear(2, 1, bias=False)
    net.weight.data.fill_(1.0)
    loss = net(torch.full((1, 2), float(team.rank + 1))).sum()
    loss.backward()
    team.average_gradients(net.parameters())
    stop = team.any_asks(team.rank == 1)
    assert net.weight.grad is not None
    values = [*net.weight.grad.reshape(-1).tolist(), float(stop)]
    (folder / f"{team.rank}.txt").write_text(" ".join(str(value) for value in values))


@pytest.mark.parametrize(("size", "expected"), [(1, "1.0 1.0 0.0"), (2, "1.5 1.5 1.0")])
def test_gradients_are_averaged(tmp_path: Path, size: int, expected: str) -> None:
    """Every process ends with the mean gradient, and hears when one wants to stop."""
    run_team(partial(_step, tmp_path), size)
    assert [expected] * size == [(tmp_path / f"{rank}.txt").read_text() for rank in range(size)]
