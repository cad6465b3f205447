"""What is told of a figure: its value and 95% interval, or why the data cannot tell it.

Intervals come from a bootstrap over identities (`dfedge_tools.evaluating.bootstrap`). Shares of
counts get the wider of that and the binomial one of Clopper and Pearson (1934): of no false alarm
among 15 genuine clips every round of a bootstrap makes zero, and the true share may still be a
fifth. An AUC gets the wider of that and Newcombe's (2006): of a perfect order of seven clips every
round makes one. Where only the bootstrap is left and it says the same in every round, there is no
interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import beta

from dfedge_tools.evaluating.bootstrap import (
    Bools,
    Floats,
    Units,
    draws,
    probability_figures,
    ranking_figures,
    threshold_figures,
)

ROUNDS = 2000
LEAST_GROUPS = 5
"""Identities below which no interval is told: so few cannot stand for others."""

NEEDS_BOTH = frozenset({"auc", "ap", "eer", "ece", "balanced_accuracy", "precision", "f1"})
NEEDS_FAKES = {"recall": 0, "fnr": 0, "fpr_at_fnr_5": 20}
NEEDS_REALS = {"fpr": 0, "fnr_at_fpr_1": 100, "fnr_at_fpr_5": 20}
"""Units of the class that must be there: of 15 genuine clips no 1% can be told."""

NORMAL_975 = 1.959964
"""The 97.5% quantile of the standard normal distribution."""

Figures = Callable[[Units, Floats], dict[str, Floats]]
"""Figures of units under weights (rounds, N), each (rounds,)."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and its 95% interval.

    Attributes:
        value: None where the data cannot tell it.
        low, high: None where they cannot tell how sure it is.
        why: what is missing, in words; empty when nothing is.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


def standard_figures(units: Units, weights: Floats) -> dict[str, Floats]:
    """The figures every level has; those of a threshold are at P(fake) = 0.5."""
    return {
        **ranking_figures(units, weights),
        **threshold_figures(units, weights, 0.5),
        **probability_figures(units, weights),
    }


def at_threshold(threshold: float) -> Figures:
    """The figures of one threshold."""
    return lambda units, weights: threshold_figures(units, weights, threshold)


def estimates(
    units: Units,
    figures: Figures = standard_figures,
    *,
    least: int,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each figure of the units with its interval, or why there is none.

    Args:
        least: fakes, or genuine ones, below which a figure that needs them is not told.
        rounds: of the bootstrap.
    """
    if not len(units):
        return {}
    values = {name: float(v[0]) for name, v in figures(units, np.ones((1, len(units)))).items()}
    groups = len(np.unique(units.groups))
    drawn: dict[str, list[Floats]] = {name: [] for name in values}
    if groups >= LEAST_GROUPS:
        for weights in draws(units.groups, rounds=rounds, seed=seed):
            for name, rounded in figures(units, weights).items():
                drawn[name].append(rounded)
    return {
        name: _estimate(name, value, drawn[name], units, groups, least)
        for name, value in values.items()
    }


def difference(clean: Units, changed: Units, *, least: int, seed: int = 0) -> Estimate:
    """AUC of `changed` less that of `clean`, the same units in the same order, drawn together."""
    if min(clean.fakes, clean.reals) < least:
        return Estimate(why=_lacking(clean, least, "both"))
    parts = [np.ones((1, len(clean)))]
    if len(np.unique(clean.groups)) >= LEAST_GROUPS:
        parts += draws(clean.groups, rounds=ROUNDS, seed=seed)
    values = np.concatenate(
        [
            ranking_figures(changed, weights)["auc"] - ranking_figures(clean, weights)["auc"]
            for weights in parts
        ]
    )
    low_high = _interval(values[1:])
    low, high = low_high or (None, None)
    return Estimate(value=float(values[0]), low=low, high=high)


def share(
    chosen: Bools, groups: npt.NDArray[np.int64], *, least: int, what: str, seed: int = 0
) -> Estimate:
    """The share of units that are `chosen`, (N,), with the wider of both intervals.

    Args:
        groups: (N,) what is drawn as a whole.
        least: units below which nothing is told.
        what: the units, in words, for ``why``.
    """
    total, count = len(chosen), int(chosen.sum())
    if total < max(1, least):
        return Estimate(why=f"{total} {what}, at least {max(1, least)} are needed")
    low, high = binomial_interval(count, total)
    if LEAST_GROUPS <= len(np.unique(groups)) < total:
        hit = chosen.astype(np.float64)
        drawn = [w @ hit / w.sum(axis=1) for w in draws(groups, rounds=ROUNDS, seed=seed)]
        low_high = _interval(np.concatenate(drawn))
        if low_high is not None:
            low, high = min(low, low_high[0]), max(high, low_high[1])
    return Estimate(value=count / total, low=low, high=high)


def binomial_interval(count: int, total: int) -> tuple[float, float]:
    """The exact 95% interval of a share, by Clopper and Pearson (1934)."""
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return low, high


def auc_interval(auc: float, fakes: int, reals: int) -> tuple[float, float]:
    """The 95% interval of an AUC by the score method of Newcombe (2006), his method 5.

    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2", Statistics in Medicine 25. It takes units as independent.
    """
    others = (fakes + reals) / 2 - 1

    def beyond(true: float) -> float:
        spread = 1 + others * ((1 - true) / (2 - true) + true / (1 + true))
        variance = true * (1 - true) * spread / (fakes * reals)
        return abs(auc - true) - NORMAL_975 * math.sqrt(variance)

    edge = 1e-9
    middle = min(max(auc, edge), 1 - edge)  # at 0 and 1 themselves there is a root of no interest
    low = float(brentq(beyond, edge, middle)) if auc > edge else 0.0
    high = float(brentq(beyond, middle, 1 - edge)) if auc < 1 - edge else 1.0
    return low, high


def _estimate(
    name: str, value: float, drawn: list[Floats], units: Units, groups: int, least: int
) -> Estimate:
    lacking = _what_lacks(name, units, least)
    if lacking:
        return Estimate(why=lacking)
    if not math.isfinite(value):
        return Estimate(why="nothing was called fake")
    if groups < LEAST_GROUPS:
        return Estimate(
            value=value, why=f"no interval: {groups} identities, at least {LEAST_GROUPS} are needed"
        )
    low_high = _interval(np.concatenate(drawn))
    if low_high is None:
        return Estimate(value=value, why="no interval: most rounds of the bootstrap lack a class")
    low, high = low_high
    wide = (low, high)
    if name in _SHARE_OF:
        total = _SHARE_OF[name](units)
        wide = binomial_interval(round(value * total), total)
    elif name == "auc":
        wide = auc_interval(value, units.fakes, units.reals)
    low, high = min(low, wide[0]), max(high, wide[1])
    if low == high:
        return Estimate(value=value, why="no interval: every round of the bootstrap says the same")
    return Estimate(value=value, low=low, high=high)


def _what_lacks(name: str, units: Units, least: int) -> str:
    if name in NEEDS_BOTH:
        return _lacking(units, least, "both")
    if name in NEEDS_FAKES:
        return _lacking(units, max(least, NEEDS_FAKES[name]), "fake")
    if name in NEEDS_REALS:
        return _lacking(units, max(least, NEEDS_REALS[name]), "genuine")
    return "" if len(units) >= least else f"{len(units)} in all, at least {least} are needed"


def _lacking(units: Units, least: int, which: str) -> str:
    counts = {"fake": units.fakes, "genuine": units.reals}
    short = [
        f"{count} {name}"
        for name, count in counts.items()
        if which in (name, "both") and count < max(1, least)
    ]
    return f"{' and '.join(short)}, at least {max(1, least)} are needed" if short else ""


def _interval(values: Floats) -> tuple[float, float] | None:
    """The middle 95% of the rounds; None when half of them have no value."""
    known = values[np.isfinite(values)]
    if not len(known) or len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


_SHARE_OF: Mapping[str, Callable[[Units], int]] = {
    "accuracy": len,
    "recall": lambda units: units.fakes,
    "fnr": lambda units: units.fakes,
    "fpr": lambda units: units.reals,
}
"""Figures that are shares of counts, and of how many."""
