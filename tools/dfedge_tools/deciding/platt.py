"""Temperature and bias of a score's logit, and how far to believe the probabilities they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dfedge_tools.evaluating.metrics import expected_calibration_error

Floats = npt.NDArray[np.float64]

Fit: TypeAlias = Literal["likelihood", "brier"]

BINS = 5
"""Of the calibration error: with tens of clips, more bins would hold one or two each."""
FOLDS = 10
FLOOR_ROUNDS = 200
FLOOR_SEED = 20261121


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Expected calibration errors, 0 to 1, both classes weighing the same.

    Attributes:
        cross_validated: of probabilities whose calibration never saw the identity; the honest one.
        fitted: of those it was fitted on.
        chance: mean over draws in which the probabilities are exactly right: what so few videos
            show of an error where there is none.
    """

    cross_validated: float
    fitted: float
    chance: float


def fit_platt(logits: Floats, labels: Floats, *, max_slope: float = 4.0) -> tuple[float, float]:
    """Slope and bias of ``P(fake) = sigmoid(slope * logit + bias)`` that maximise likelihood.

    Both classes weigh the same, so that a probability of one half means that neither is likelier,
    whatever the share of fakes in the data. Targets are softened as Platt (1999) does, and Newton's
    method finds the optimum. The slope is kept within (0, `max_slope`]: scores that run the wrong
    way say nothing.

    Raises:
        ValueError: One of the classes is missing.
    """
    fakes, reals = float(labels.sum()), float((1 - labels).sum())
    if not fakes or not reals:
        raise ValueError(f"calibration needs both classes, got {fakes:.0f} fake, {reals:.0f} real")
    target = np.where(labels > 0.5, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(labels > 0.5, 0.5 / fakes, 0.5 / reals)
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    design = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1)
    parameters = np.zeros(2)
    for _ in range(100):
        stated = sigmoid(design @ parameters)
        gradient = design.T @ (weight * (stated - target)) + 1e-6 * parameters
        curvature = (design * (weight * stated * (1 - stated))[:, None]).T @ design
        move = np.linalg.solve(curvature + 1e-6 * np.eye(2), gradient)
        parameters -= move
        if float(np.abs(move).max()) < 1e-10:
            break
    slope = float(np.clip(parameters[0] / spread, 1e-3, max_slope))
    return slope, float(parameters[1] - parameters[0] / spread * centre)


def fit_brier(logits: Floats, labels: Floats, *, max_slope: float = 4.0) -> tuple[float, float]:
    """As :func:`fit_platt`, but least in the mean squared error of P(fake), Brier's score.

    It minds a few clips that are very wrong less than likelihood does.

    Raises:
        ValueError: One of the classes is missing.
    """
    slope, bias = fit_platt(logits, labels, max_slope=max_slope)
    weight = np.where(labels > 0.5, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())

    def error(parameters: Floats) -> float:
        stated = sigmoid(np.exp(parameters[0]) * logits + parameters[1])
        return float((weight * (stated - labels) ** 2).sum())

    found = minimize(error, [np.log(slope), bias], method="Nelder-Mead").x
    return float(np.clip(np.exp(found[0]), 1e-3, max_slope)), float(found[1])


FITS = {"likelihood": fit_platt, "brier": fit_brier}


def calibration_error(
    logits: Floats, labels: Floats, identities: Sequence[str], *, fit: Fit = "likelihood"
) -> CalibrationError:
    """How wrong calibrated probabilities are, also of identities that were left out."""
    slope, bias = FITS[fit](logits, labels)
    stated = sigmoid(slope * logits + bias)
    truth = labels.astype(int).tolist()
    return CalibrationError(
        cross_validated=_error(truth, cross_calibrated(logits, labels, identities, fit=fit)),
        fitted=_error(truth, stated),
        chance=_chance(labels, stated),
    )


def cross_calibrated(
    logits: Floats, labels: Floats, identities: Sequence[str], *, fit: Fit = "likelihood"
) -> Floats:
    """P(fake) of each video by a calibration that was fitted without its identity.

    Identities are dealt over at most :data:`FOLDS` folds in the order of their names. A fold whose
    rest lacks a class takes the calibration of all.
    """
    names = sorted(set(identities))
    fold_of = {name: index % FOLDS for index, name in enumerate(names)}
    folds = np.array([fold_of[name] for name in identities])
    stated = np.empty(len(logits))
    for fold in range(min(FOLDS, len(names))):
        inside = folds == fold
        rest = labels[~inside]
        fitting = ~inside if 0 < rest.sum() < len(rest) else np.ones_like(inside)
        slope, bias = FITS[fit](logits[fitting], labels[fitting])
        stated[inside] = sigmoid(slope * logits[inside] + bias)
    return stated


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float64)


def _error(truth: list[int], stated: Floats) -> float:
    return expected_calibration_error(truth, stated.tolist(), bins=BINS)


def _chance(labels: Floats, stated: Floats) -> float:
    """Mean error where labels are drawn with just the probabilities stated.

    The probabilities are for even odds; drawn are labels at the odds of the data.
    """
    share = float(labels.mean())
    odds = stated / (1 - stated + 1e-12) * share / (1 - share)
    drawn_as = odds / (1 + odds)
    rng = np.random.default_rng(FLOOR_SEED)
    errors = []
    for _ in range(FLOOR_ROUNDS):
        drawn = (rng.random(len(stated)) < drawn_as).astype(int)
        if 0 < drawn.sum() < len(drawn):
            errors.append(_error(drawn.tolist(), stated))
    return float(np.mean(errors)) if errors else 0.0
