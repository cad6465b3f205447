"""Figures of a detector under weights, and the weights of a bootstrap over whole groups.

Frames of one person are alike, so what is drawn again is not the frame but the identity, with all
that belongs to it. A round of the bootstrap is a weight for each unit, and every figure is worked
out for many rounds at once from those weights; the value itself is the round in which each unit
weighs one. So 2,000 rounds over 10,000 units take seconds, and value and interval are the same
arithmetic (`tests/tools/evaluating/test_bootstrap.py` holds it to scikit-learn).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CALIBRATION_BINS = 5
"""Equal-width bins of P(fake): with a few dozen clips, more would be nearly empty."""
CELLS_AT_ONCE = 1_000_000
"""Weights worked on together: rounds times units."""


@dataclass(frozen=True, slots=True)
class Units:
    """What is counted: frames, videos or identities, N of each.

    Attributes:
        labels: (N,) 1 fake, 0 genuine.
        scores: (N,) logits that rank them.
        probabilities: (N,) calibrated P(fake).
        groups: (N,) what is drawn as a whole.
    """

    labels: npt.NDArray[np.int64]
    scores: Floats
    probabilities: Floats
    groups: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fakes(self) -> int:
        """Units that are fake."""
        return int(self.labels.sum())

    @property
    def reals(self) -> int:
        """Units that are genuine."""
        return len(self.labels) - self.fakes

    def subset(self, chosen: Bools) -> Units:
        """Only the chosen ones."""
        return Units(
            self.labels[chosen],
            self.scores[chosen],
            self.probabilities[chosen],
            self.groups[chosen],
        )


def group_numbers(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The number of each group, by name."""
    return np.asarray(np.unique(np.asarray(names, dtype=str), return_inverse=True)[1], np.int64)


def draws(groups: npt.NDArray[np.int64], *, rounds: int, seed: int) -> Iterator[Floats]:
    """Weights of the units in each round, some rounds at a time: (rounds, N)."""
    names, places = np.unique(groups, return_inverse=True)
    count = len(names)
    if not count:
        return
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // max(len(groups), count))
    for start in range(0, rounds, at_once):
        size = min(at_once, rounds - start)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield times[:, places].astype(np.float64)


def ranking_figures(units: Units, weights: Floats) -> dict[str, Floats]:
    """Figures of the order alone, each (rounds,); NaN where a round lacks a class.

    ``auc`` (ties count half), ``ap`` (average precision), ``eer``, and the least share of misses
    at most 1% and 5% false alarms (``fnr_at_fpr_1``, ``fnr_at_fpr_5``) and of false alarms at most
    5% misses (``fpr_at_fnr_5``).
    """
    order = np.argsort(-units.scores, kind="stable")
    values, fake = units.scores[order], units.labels[order] == 1
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    sorted_weights = weights[:, order]
    hits = np.cumsum(np.add.reduceat(sorted_weights * fake, starts, axis=1), axis=1)
    alarms = np.cumsum(np.add.reduceat(sorted_weights * ~fake, starts, axis=1), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tpr, fpr = hits / hits[:, -1:], alarms / alarms[:, -1:]
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
    tpr, fpr = _from_zero(tpr), _from_zero(fpr)
    out = {
        "auc": (np.diff(fpr) * (tpr[:, 1:] + tpr[:, :-1]) / 2).sum(axis=1),
        "ap": (np.diff(tpr) * precision).sum(axis=1),
        "eer": _equal_error_rate(tpr, fpr),
    }
    slack = 1e-12
    for percent in (1, 5):
        kept = np.where(fpr <= percent / 100 + slack, tpr, 0.0).max(axis=1)
        out[f"fnr_at_fpr_{percent}"] = 1 - kept
    out["fpr_at_fnr_5"] = np.where(tpr >= 0.95 - slack, fpr, 1.0).min(axis=1)
    lacking = (hits[:, -1] == 0) | (alarms[:, -1] == 0)
    return {name: np.where(lacking, np.nan, figure) for name, figure in out.items()}


def probability_figures(units: Units, weights: Floats) -> dict[str, Floats]:
    """``log_loss``, ``brier`` and ``ece``, each (rounds,).

    The expected calibration error is over equal-width bins with both classes weighing the same,
    as `dfedge_tools.evaluating.metrics.expected_calibration_error` has it.
    """
    stated, fake = units.probabilities, units.labels == 1
    total = weights.sum(axis=1)
    tiny = np.finfo(np.float64).eps
    likely = np.log(np.clip(np.where(fake, stated, 1 - stated), tiny, 1.0))
    which = np.minimum((stated * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.zeros((CALIBRATION_BINS, len(units), 2))
    for column, member in enumerate((fake, ~fake)):
        gaps[which, np.arange(len(units)), column] = np.where(member, stated - fake, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_fakes = (weights @ gaps[:, :, 0].T) / (weights @ fake)[:, np.newaxis]
        of_reals = (weights @ gaps[:, :, 1].T) / (weights @ ~fake)[:, np.newaxis]
        return {
            "log_loss": -(weights @ likely) / total,
            "brier": (weights @ (stated - fake) ** 2) / total,
            "ece": np.abs(of_fakes + of_reals).sum(axis=1) / 2,
        }


def threshold_figures(units: Units, weights: Floats, threshold: float) -> dict[str, Floats]:
    """What calling P(fake) at or above `threshold` fake gives, each (rounds,); NaN where undefined.

    ``accuracy``, ``balanced_accuracy``, ``precision``, ``recall``, ``f1``, ``fpr``, ``fnr``.
    """
    fake, called = units.labels == 1, units.probabilities >= threshold
    hits, misses = weights @ (fake & called), weights @ (fake & ~called)
    alarms, right = weights @ (~fake & called), weights @ (~fake & ~called)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, fpr = hits / (hits + misses), alarms / (alarms + right)
        return {
            "accuracy": (hits + right) / (hits + misses + alarms + right),
            "balanced_accuracy": (recall + 1 - fpr) / 2,
            "precision": hits / (hits + alarms),
            "recall": recall,
            "f1": 2 * hits / (2 * hits + alarms + misses),
            "fpr": fpr,
            "fnr": 1 - recall,
        }


def _equal_error_rate(tpr: Floats, fpr: Floats) -> Floats:
    """Where the shares of misses and of false alarms meet, on straight lines between points."""
    gap = fpr - (1 - tpr)
    after = np.maximum(1, np.argmax(gap >= 0, axis=1))[:, np.newaxis]
    low, high = (np.take_along_axis(gap, at, axis=1)[:, 0] for at in (after - 1, after))
    first, last = (np.take_along_axis(fpr, at, axis=1)[:, 0] for at in (after - 1, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(high > low, -low / (high - low), 0.0)
    return np.asarray(first + part * (last - first), np.float64)


def _from_zero(curve: Floats) -> Floats:
    return np.concatenate([np.zeros((len(curve), 1)), curve], axis=1)
