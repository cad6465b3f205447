"""The loss of four heads, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from dfedge_tools.training.tasks.multitask_labels import UNKNOWN_QUALITY
from dfedge_tools.training.tasks.multitask_loss import head_losses, multitask_loss, quality_loss
from dfedge_tools.training.tasks.stages import HeadWeights

ALIKE = torch.ones(1, 2)
LN3 = math.log(3)
"""Its sigmoid is 3/4."""


def _head(
    logits: list[float],
    targets: list[float],
    known: list[float],
    weights: torch.Tensor,
    gamma: float,
) -> float:
    columns = (
        torch.tensor(values, dtype=torch.float32)[:, None] for values in (logits, targets, known)
    )
    return float(head_losses(*columns, weights, focal_gamma=gamma))


def test_cross_entropy_by_hand() -> None:
    """P = 3/4 of a fake and of a genuine picture: -(ln 3/4 + ln 1/4) / 2."""
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    assert pytest.approx(expected) == _head([LN3, LN3], [1, 0], [1, 1], ALIKE, 0)


def test_focal_by_hand() -> None:
    """Gamma 2: the right one weighs (1/4)**2, the wrong one (3/4)**2."""
    expected = -(0.0625 * math.log(0.75) + 0.5625 * math.log(0.25)) / 2
    assert pytest.approx(expected) == _head([LN3, LN3], [1, 0], [1, 1], ALIKE, 2)


def test_class_weights_by_hand() -> None:
    """Negatives weigh 2/3, positives 2."""
    weights = torch.tensor([[2 / 3, 2.0]])
    expected = -(2 * math.log(0.75) + 2 / 3 * math.log(0.25)) / 2
    assert pytest.approx(expected) == _head([LN3, LN3], [1, 0], [1, 1], weights, 0)


def test_the_unknown_takes_no_part() -> None:
    """Neither in the sum nor in the count, and a head that knows nothing has loss 0."""
    assert pytest.approx(-math.log(0.75)) == _head([LN3, -50.0], [1, 1], [1, 0], ALIKE, 0)
    assert 0.0 == _head([LN3, -50.0], [1, 1], [0, 0], ALIKE, 0)


def test_quality_by_hand() -> None:
    """Equal logits give ln 3; pictures of unknown quality are left out, all of them give 0."""
    logits = torch.zeros(2, 3)
    assert pytest.approx(LN3) == float(quality_loss(logits, torch.tensor([2, UNKNOWN_QUALITY])))
    assert 0.0 == float(quality_loss(logits, torch.tensor([UNKNOWN_QUALITY] * 2)))


def test_heads_weigh_as_published() -> None:
    """Heads that know nothing yet: (1.0 + 0.7 + 0.4) ln 2 + 0.2 ln 3, and each part unweighted."""
    heads = {name: torch.zeros(1, 1) for name in ("real_fake", "inswapper", "boundary")}
    loss = multitask_loss(
        heads | {"quality": torch.zeros(1, 3)},
        torch.tensor([[1.0, 0.0, 1.0]]),
        torch.ones(1, 3),
        torch.tensor([1]),
        torch.ones(3, 2),
        HeadWeights(),
        focal_gamma=0.0,
    )
    assert pytest.approx(2.1 * math.log(2) + 0.2 * LN3) == float(loss.total)
    parts = {name: float(value) for name, value in loss.parts.items()}
    assert ["real_fake", "inswapper", "boundary", "quality"] == list(parts)
    assert [math.log(2)] * 3 + [LN3] == pytest.approx(list(parts.values()))
