"""Thresholds with a promise: split conformal prediction, by class, group and identity.

A threshold above which at most a share `a` of new scores lie is put among scores that the model
was not fitted on. Of n exchangeable scores and a new one, every rank of the new one is equally
likely, so it lies above the k-th largest of the n with a chance of at most k / (n + 1). Clips of
one person are not exchangeable one by one, but persons are: each person's scores share one weight
1 / (K + 1) among K persons (Lee, Barber and Willett, "Distribution-free inference with
hierarchical data", 2023, arXiv:2306.06342). Without persons it is the plain rule. The smallest
promise that K persons support is 1 / (K + 1), with the threshold at the highest score of all.

Class by class, so the promise does not hang on how rare fakes are; group by group ("Mondrian",
Vovk et al., "Algorithmic Learning in a Random World", 2005), so that each source keeps its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Floats = npt.NDArray[np.float64]

_EPSILON = 1e-12
"""Sums of weights are compared up to rounding."""


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share with its interval, 0 to 1.

    Attributes:
        low, high: of 95%, exact (Clopper and Pearson), counting identities, not videos.
        count: videos.
        identities: those the videos are of.
    """

    value: float
    low: float
    high: float
    count: int
    identities: int


def smallest_promise(identities: int) -> float:
    """The smallest share that so many identities can promise anything about; 1 of none."""
    return 1 / (identities + 1)


def upper_threshold(scores: Floats, identities: Sequence[str], share: float) -> float:
    """The lowest score that at most `share` of new ones of new identities lie strictly above.

    Where `share` is under what so few identities support, it is the highest score: then the
    :func:`smallest_promise` holds.

    Args:
        scores: (N,), at least one.
        identities: whose each score is.
    """
    weights = identity_weights(identities)
    order = np.argsort(-scores, kind="stable")
    unseen = smallest_promise(len(set(identities)))
    descending = scores[order]
    # Mass strictly above each score: what precedes it, less those equal to it.
    before = np.concatenate(([0.0], np.cumsum(weights[order])[:-1]))
    first = np.searchsorted(-descending, -descending, side="left")
    allowed = before[first] + unseen <= share + _EPSILON
    return float(descending[np.flatnonzero(allowed)[-1]] if allowed.any() else descending[0])


def lower_threshold(scores: Floats, identities: Sequence[str], share: float) -> float:
    """The highest score that at most `share` of new ones lie strictly under."""
    return -upper_threshold(-scores, identities, share)


def identity_weights(identities: Sequence[str]) -> Floats:
    """(N,): each of K identities 1 / (K + 1), shared evenly among its scores."""
    counts = Counter(identities)
    return np.array([1 / ((len(counts) + 1) * counts[name]) for name in identities])


def measured_share(
    hits: Sequence[bool] | npt.NDArray[np.bool_], identities: Sequence[str]
) -> Share:
    """The share of videos that were hit, every identity weighing the same.

    The interval takes the identities for independent; a share of an identity counts as a part.
    """
    counts = Counter(identities)
    total = len(counts)
    value = float(sum(hit / counts[name] for hit, name in zip(hits, identities, strict=True)))
    hit, missed = value, total - value
    low = float(beta.ppf(0.025, hit, missed + 1)) if hit > _EPSILON else 0.0
    high = float(beta.ppf(0.975, hit + 1, missed)) if missed > _EPSILON else 1.0
    return Share(value / total, low, high, len(identities), total)
