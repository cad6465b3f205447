"""One optimizer step: rates, precision, accumulated and clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from dfedge.errors import DfedgeError
from dfedge_tools.training.config import LoopConfig
from dfedge_tools.training.task import ParameterGroup
from dfedge_tools.training.team import Team

SKIPS_ALLOWED = 20
"""Steps in a row that float16 may skip while it looks for a scale that fits."""


class DivergedError(DfedgeError):
    """The loss or a gradient is no finite number any more."""


class Optimizer:
    """AdamW over the groups of a task, with the precision of its stage.

    Parameters without a gradient (in a phase that freezes them) stay as they are: no decay.
    """

    def __init__(self, groups: Sequence[ParameterGroup], config: LoopConfig, team: Team) -> None:
        self._config = config
        self._team = team
        self._rates = [group.rate for group in groups]
        self.parameters = [p for group in groups for p in group.parameters]
        self.adamw = torch.optim.AdamW(
            [
                {"params": list(g.parameters), "lr": g.rate, "weight_decay": g.weight_decay}
                for g in groups
            ],
            fused=True,
        )
        self._precision = _precision(config, team.device)
        self.scaler = torch.amp.GradScaler(
            team.device.type, enabled=self._precision is torch.float16
        )
        self._skipped = 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Where the loss is computed."""
        if self._precision is torch.float32:
            return nullcontext()
        return torch.autocast(self._team.device.type, dtype=self._precision)

    def backward(self, total: torch.Tensor) -> None:
        """Add the gradient of one of the step's batches."""
        scaled = self.scaler.scale(total / self._config.accumulate)
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self, factor: float) -> None:
        """Update the weights from what was added up; `factor` is on the rate of every group.

        Raises:
            DivergedError: A gradient is not finite; the weights are as they were.
        """
        for group, rate in zip(self.adamw.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._team.average_gradients(self.parameters)
        self.scaler.unscale_(self.adamw)
        norm = nn.utils.clip_grad_norm_(self.parameters, self._config.clip_norm or math.inf)
        self._check(bool(norm.isfinite()))
        self.scaler.step(self.adamw)
        self.scaler.update()
        self.adamw.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """All that a later run needs."""
        return {"adamw": self.adamw.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of another run."""
        self.adamw.load_state_dict(state["adamw"])
        self.scaler.load_state_dict(state["scaler"])

    def _check(self, finite: bool) -> None:
        """The gradients are the team's mean, so all its processes come to the same end."""
        self._skipped = 0 if finite else self._skipped + 1
        allowed = SKIPS_ALLOWED if self.scaler.is_enabled() else 0
        if self._skipped > allowed:
            raise DivergedError("the loss or its gradient is no finite number any more")


def rate_factor(config: LoopConfig, step: int) -> float:
    """Linear warm-up to 1, then a cosine to `floor`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    length = (config.schedule_steps or config.steps) - config.warmup_steps
    share = min(1.0, (step - config.warmup_steps) / max(1, length))
    return config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * share))


def mean_parts(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    """The figures of a step from those of its batches."""
    lines = list(parts)
    return {name: sum(line[name] for line in lines) / len(lines) for name in lines[0]}


def _precision(config: LoopConfig, device: torch.device) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, config.precision)
    return dtype
