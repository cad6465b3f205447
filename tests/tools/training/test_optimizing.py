"""One optimizer step: the schedule, decay, precision, and what happens to numbers that are none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dfedge_tools.training.config import LoopConfig
from dfedge_tools.training.optimizing import DivergedError, Optimizer, mean_parts, rate_factor
from dfedge_tools.training.task import ParameterGroup
from dfedge_tools.training.team import Team


def _one(
    config: LoopConfig, *, rate: float = 0.1, decay: float = 0.0
) -> tuple[nn.Linear, Optimizer]:
    net = nn.Linear(2, 1, bias=False)
    nn.init.ones_(net.weight)
    groups = [ParameterGroup("all", list(net.parameters()), rate, decay)]
    return net, Optimizer(groups, config, Team())


def _overflow(net: nn.Linear, optimizer: Optimizer, *, times: int) -> None:
    for _ in range(times):
        optimizer.backward(net(torch.full((1, 2), float("inf"))).sum())
        optimizer.step(1.0)


def test_schedule_by_hand() -> None:
    """The rate climbs over the warm-up, peaks after it and ends at zero."""
    config = LoopConfig(steps=14, warmup_steps=4)
    assert 0.25 == rate_factor(config, 0)
    assert 1.0 == rate_factor(config, 4)
    assert pytest.approx(0.5) == rate_factor(config, 9)
    assert pytest.approx(0.0) == rate_factor(config, 14)


def test_floor_is_where_the_rate_ends() -> None:
    """With a floor the cosine ends there, and stays there where the stage goes on."""
    config = LoopConfig(steps=30, warmup_steps=0, schedule_steps=10, floor=0.2)
    assert pytest.approx(0.6) == rate_factor(config, 5)
    assert [pytest.approx(0.2)] * 2 == [rate_factor(config, 10), rate_factor(config, 25)]


def test_each_group_has_its_rate() -> None:
    """AdamW's first step moves each weight by its group's rate times the factor."""
    first, second = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [ParameterGroup("a", [first], 0.1, 0.0), ParameterGroup("b", [second], 0.01, 0.0)]
    optimizer = Optimizer(groups, LoopConfig(steps=1), Team())
    optimizer.backward((first + second).sum())
    optimizer.step(0.5)
    assert [pytest.approx(0.95), pytest.approx(0.995)] == [first.item(), second.item()]


def test_parameters_without_gradient_stand_still() -> None:
    """What a phase freezes does not even decay."""
    moving, frozen = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = Optimizer(
        [ParameterGroup("all", [moving, frozen], 0.1, 0.5)], LoopConfig(steps=1), Team()
    )
    optimizer.backward(moving.sum())
    optimizer.step(1.0)
    assert 1.0 == frozen.item()
    assert moving.item() < 0.9


def test_accumulated_gradient_is_the_mean() -> None:
    """Two batches added up give the gradient of their mean, and none is left behind."""
    net, optimizer = _one(LoopConfig(steps=1, accumulate=2))
    for value in (1.0, 3.0):
        optimizer.backward(net(torch.full((1, 2), value)).sum())
    assert net.weight.grad is not None
    assert [2.0, 2.0] == net.weight.grad[0].tolist()
    optimizer.step(1.0)
    assert net.weight.grad is None


def test_long_gradients_are_clipped() -> None:
    """Weights do not depend on how much longer than the limit a gradient was."""
    ends = []
    for scale in (10.0, 1000.0):
        net, optimizer = _one(LoopConfig(steps=1, clip_norm=1e-6))
        optimizer.backward(net(torch.full((1, 2), scale)).sum())
        optimizer.step(1.0)
        ends.append(net.weight.detach())
    assert torch.allclose(ends[0], ends[1], rtol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradient_that_is_no_number_stops(value: float) -> None:
    """A gradient that is not finite is an error, and the weights stay."""
    net, optimizer = _one(LoopConfig(steps=1))
    optimizer.backward(net(torch.full((1, 2), value)).sum())
    with pytest.raises(DivergedError):
        optimizer.step(1.0)
    assert [1.0, 1.0] == net.weight[0].tolist()


def test_float16_looks_for_a_scale() -> None:
    """With a scaled loss a step that overflows is skipped and the scale halved, a few times."""
    net, optimizer = _one(LoopConfig(steps=1, precision="float16"))
    before = optimizer.scaler.get_scale()
    _overflow(net, optimizer, times=1)
    assert [1.0, 1.0] == net.weight[0].tolist()
    assert before / 2 == optimizer.scaler.get_scale()
    with pytest.raises(DivergedError):
        _overflow(net, optimizer, times=30)


def test_bfloat16_computes_in_short_numbers() -> None:
    """Under autocast a matrix product is bfloat16; weights and their updates stay float32."""
    net, optimizer = _one(LoopConfig(steps=1, precision="bfloat16"))
    with optimizer.autocast():
        out = net(torch.ones(1, 2))
    assert torch.bfloat16 == out.dtype
    optimizer.backward(out.float().sum())
    optimizer.step(1.0)
    assert torch.float32 == net.weight.dtype


def test_figures_of_a_step_are_means() -> None:
    """Figures of the batches of one step are averaged by name."""
    assert {"a": 2.0, "b": 0.5} == mean_parts([{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 1.0}])
