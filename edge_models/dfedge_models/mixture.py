"""One logit for several that are averaged as probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def mixture_logit(logits: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """The logit of a weighted mean of sigmoids, exact where the sigmoids themselves are 0 or 1.

    Built of operators that every runtime has.

    Args:
        logits: tensors of one shape.
        weights: one each, above 0, of sum 1.

    Returns:
        A tensor of that shape: log(p / (1 - p)) of p, the sum of weight times sigmoid(logit).
    """
    stacked = torch.stack(list(logits), dim=-1)
    log_weights = stacked.new_tensor(list(weights)).log()
    return _log_sum_exp(log_weights - _softplus(-stacked)) - _log_sum_exp(
        log_weights - _softplus(stacked)
    )


def _softplus(x: torch.Tensor) -> torch.Tensor:
    """-log(1 - sigmoid(x)); ONNX has it by name, ONNX Runtime for WebGPU has not."""
    return F.relu(x) + torch.log1p(torch.exp(-x.abs()))


def _log_sum_exp(x: torch.Tensor) -> torch.Tensor:
    largest = x.amax(dim=-1, keepdim=True)
    return largest.squeeze(-1) + (x - largest).exp().sum(dim=-1).log()
