"""What is trained, kept apart from how.

The loop (`loop`) knows steps, optimizers, schedules, moving averages, devices, processes and
checkpoints. A task knows one kind of network: how it is made, what a batch of it is, what its loss
is, which of its parameters learn at which rate and when, and how good it is on validation data.
A task is made by its stage (:meth:`dfedge_tools.training.config.Stage.task`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset

from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.config import Phase

__all__ = ["BatchT", "Loss", "ParameterGroup", "Phase", "Task", "TensorBatch"]


class TensorBatch(Protocol):
    """Tensors of one step."""

    def to(self, device: torch.device) -> Self:
        """The same batch on another device."""


BatchT = TypeVar("BatchT", bound=TensorBatch)


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one batch.

    Attributes:
        total: What is minimized, a scalar with gradient.
        parts: Scalars to show and to keep in the history, detached, in the order to show.
    """

    total: torch.Tensor
    parts: Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share a rate and a decay.

    Attributes:
        name: For messages and checkpoints, for example ``backbone``.
        parameters: In a fixed order; in no other group.
        rate: Learning rate at the top of the schedule.
        weight_decay: Of AdamW.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    rate: float
    weight_decay: float


class Task(Protocol[BatchT]):
    """One kind of network and its data. Everything random comes from the stage's seed."""

    @property
    def phases(self) -> Sequence[Phase]:
        """In order; one phase where everything learns all the time."""

    def network(self) -> nn.Module:
        """A new network, seeded, with the weights it starts from."""

    def groups(self, net: nn.Module) -> list[ParameterGroup]:
        """Every parameter that ever learns, in exactly one group."""

    def batches(self, *, team_size: int) -> Dataset[BatchT]:
        """Map from a number to a batch; a pure function of the stage, the data and the number.

        Step `n` takes the `team_size` batches from number ``n * team_size`` on: one for each
        process, or several for each where gradients are accumulated.
        """

    def loss(self, net: nn.Module, batch: BatchT) -> Loss:
        """Of one batch; `net` may be wrapped, so only its forward is called."""

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Figures on validation data, by name; ``score`` is the one to select by, higher better."""

    def scores(self, net: nn.Module) -> list[Scored]:
        """The logit of everything that is not trained on: splits ``val`` and ``held``."""

    def weights(self, net: nn.Module) -> dict[str, torch.Tensor]:
        """What ships: the state by the architecture's official names, training aids left out."""
