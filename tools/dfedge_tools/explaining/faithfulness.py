"""How faithful a map is to the model it explains: does what it marks matter to the score?

Pixels are taken away or brought back in the order of the map, and the score is watched:

- *deletion* and *insertion*: Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for
  Explanation of Black-box Models" (BMVC 2018), https://arxiv.org/abs/1806.07421, with a blurred
  picture in place of what is taken away, which is no shape of its own;
- *ROAD*: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods"
  (ICML 2022), https://arxiv.org/abs/2202.00449: noisy linear imputation fills what is taken away
  from its neighbours, and the score left when the least relevant pixels go first (LeRF) is
  compared with that when the most relevant do (MoRF).

All runs on a function of inputs, so it serves a bundle in ONNX Runtime and torch alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from dfedge.saliency import BLUR
from dfedge.types import Tensor

Floats = npt.NDArray[np.float64]
ScoreFunction = Callable[[Tensor], Floats]
"""Inputs (N, 3, S, S) -> the probability of the target, (N,)."""

FRACTIONS = tuple(step / 10 for step in range(11))
"""Of the pixels that are taken away or brought back."""
ROAD_FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
IMPUTATION_NOISE = 0.1
"""Standard deviation of the noise on filled pixels, in standard deviations of the picture, so
that a model cannot tell filled pixels by their smoothness."""
RANDOM_CELLS = 7
"""Cells along a side of a random map: about as coarse as the maps it is compared with."""
SEED = 20261121

ITERATIONS = 12
"""Of conjugate gradients on each of the grids, which halve down to :data:`COARSEST`."""
COARSEST = 8


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Scores of one map; areas under curves over the fraction of pixels, 0 to 1.

    Attributes:
        deletion: mean score while the most relevant pixels go first; lower is better.
        insertion: mean score while they come back first; higher is better.
        road: mean over fractions of the score under LeRF less that under MoRF; higher is better,
            0 for a map that knows nothing.
    """

    deletion: float
    insertion: float
    road: float


def measure(
    score: ScoreFunction, x: Tensor, heats: Mapping[str, npt.NDArray[np.floating]]
) -> dict[str, Faithfulness]:
    """Judge maps of one picture.

    Args:
        score: of the model, for the target that the maps explain.
        x: the input, (3, S, S).
        heats: maps (S, S) by name; only the order of their values counts, and ties are broken by
            seeded chance.

    Returns:
        A score for each map.
    """
    blurred = blur(x)
    results = {}
    for name, heat in heats.items():
        order = rank(heat)
        # The ends are shared: nothing taken away, and everything.
        masks = np.stack([order < fraction for fraction in FRACTIONS])[:, np.newaxis]
        curves = score(
            np.concatenate([np.where(masks, blurred, x), np.where(masks[1:-1], x, blurred)]).astype(
                np.float32
            )
        )
        deletion = curves[: len(FRACTIONS)]
        insertion = np.concatenate([deletion[-1:], curves[len(FRACTIONS) :], deletion[:1]])
        results[name] = Faithfulness(
            deletion=float(np.trapezoid(deletion, FRACTIONS)),
            insertion=float(np.trapezoid(insertion, FRACTIONS)),
            road=road(score, x, order),
        )
    return results


def road(score: ScoreFunction, x: Tensor, order: Floats) -> float:
    """ROAD: what is left of the score under LeRF less what is left under MoRF.

    Args:
        order: of the pixels by relevance, as :func:`rank` gives it.
    """
    gone = np.stack(
        [order < fraction for fraction in ROAD_FRACTIONS]
        + [order >= 1 - fraction for fraction in ROAD_FRACTIONS]
    )
    scores = score(impute(x, gone))
    return float((scores[len(ROAD_FRACTIONS) :] - scores[: len(ROAD_FRACTIONS)]).mean())


def rank(heat: npt.NDArray[np.floating]) -> Floats:
    """The share of pixels that are more relevant, (S, S), 0 to below 1; ties fall by chance."""
    chance = np.random.default_rng(SEED).random(heat.size)
    order = np.lexsort((chance, -np.asarray(heat, np.float64).ravel()))
    places = np.empty(heat.size)
    places[order] = np.arange(heat.size) / heat.size
    return places.reshape(heat.shape)


def random_heat(side: int, *, seed: int = SEED) -> npt.NDArray[np.float32]:
    """A map that knows nothing: seeded noise on a coarse grid, smoothly enlarged, 0 to 1."""
    cells = np.random.default_rng(seed).random((RANDOM_CELLS, RANDOM_CELLS), np.float32)
    return np.asarray(cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def blur(x: Tensor) -> Tensor:
    """A picture (3, S, S) with nothing left to see, as occlusion takes places away."""
    sigma = BLUR * x.shape[-1]
    return np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in x]).astype(np.float32)


def impute(x: Tensor, gone: npt.NDArray[np.bool_]) -> Tensor:
    """Fill pixels from their neighbours (noisy linear imputation).

    Each filled pixel is the weighted mean of its neighbours, filled ones among them: a linear
    system, solved by conjugate gradients for all masks and colours at once, from coarse to fine.

    Args:
        x: (3, S, S).
        gone: which pixels are filled, (N, S, S).

    Returns:
        (N, 3, S, S).
    """
    mask = torch.from_numpy(gone).unsqueeze(1).float()
    known = torch.from_numpy(x).unsqueeze(0) * (1 - mask)
    filled = _solve(known, mask)
    spread = torch.from_numpy(x).flatten(1).std(dim=1).view(1, 3, 1, 1)
    noise = torch.randn(filled.shape, generator=torch.Generator().manual_seed(SEED))
    return (known + mask * (filled + IMPUTATION_NOISE * spread * noise)).numpy()


def _solve(known: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pixels under the mask that equal the mean of their neighbours, (N, 3, S, S)."""
    weight = _around(torch.ones_like(known[:1, :1]))
    right = mask * _around(known)
    solution = mask * _first_guess(known, mask)
    residual = right - _apply(solution, mask, weight)
    direction = residual.clone()
    power = (residual**2).sum(dim=(2, 3), keepdim=True)
    for _ in range(ITERATIONS):
        applied = _apply(direction, mask, weight)
        # Where nothing is left to solve, both powers are zero and so is the step.
        step = power / (direction * applied).sum(dim=(2, 3), keepdim=True).clamp(min=1e-20)
        solution += step * direction
        residual -= step * applied
        before, power = power, (residual**2).sum(dim=(2, 3), keepdim=True)
        direction = residual + power / before.clamp(min=1e-20) * direction
    return solution


def _first_guess(known: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The same system solved on half the pixels, enlarged: broad holes need no more steps."""
    side = known.shape[-1]
    if side <= COARSEST:
        return known.sum(dim=(2, 3), keepdim=True) / (1 - mask).sum(dim=(2, 3), keepdim=True).clamp(
            min=1
        )
    half = (side + 1) // 2
    there = F.adaptive_avg_pool2d(1 - mask, half)
    values = F.adaptive_avg_pool2d(known, half) / there.clamp(min=1e-6)
    hole = (there == 0).float()
    coarse = values + _solve(values, hole)
    return F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)


def _apply(values: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The system's matrix: positive definite on the masked pixels."""
    return mask * (weight * values - _around(values))


def _around(values: torch.Tensor) -> torch.Tensor:
    """Weighted sum of each pixel's neighbours, 1/6 beside and 1/12 across (ROAD, section 4.2)."""
    padded = F.pad(values, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    middle = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    return (rows[..., :-2] + rows[..., 2:] + 2 * middle) / 12
