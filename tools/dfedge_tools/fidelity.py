"""How well two forms of a model agree, from the logit to the verdict, and whether that will do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import DetectorCard, Fidelity
from dfedge.scoring import calibrate, judge_probability
from dfedge_tools.faceset import FaceSet
from dfedge_tools.scorers import Scorer
from dfedge_tools.training.metrics import auc, expected_calibration_error

Floats = npt.NDArray[np.float64]

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was measured of a candidate against its reference, on the same inputs.

    Attributes:
        count: inputs.
        data: what they were.
        max_logit_error: largest difference of a log-odds of *fake*.
        mean_logit_error: mean absolute difference.
        logit_correlation: Pearson's; 1 where the reference does not vary.
        sign_agreement: share of inputs on the same side of P(fake) = 0.5, calibrated.
        label_agreement: share of inputs with the same label under the reference card's thresholds.
        max_probability_change: largest difference of a calibrated P(fake).
        auc: of the reference and of the candidate; None without both classes.
        calibration_error: of the two, ten bins; None without labels.
    """

    count: int
    data: str
    max_logit_error: float
    mean_logit_error: float
    logit_correlation: float
    sign_agreement: float
    label_agreement: float
    max_probability_change: float
    auc: tuple[float, float] | None = None
    calibration_error: tuple[float, float] | None = None

    @property
    def auc_change(self) -> float | None:
        """The candidate's AUC less the reference's."""
        return None if self.auc is None else self.auc[1] - self.auc[0]

    @property
    def calibration_change(self) -> float | None:
        """The candidate's calibration error less the reference's."""
        if self.calibration_error is None:
            return None
        return self.calibration_error[1] - self.calibration_error[0]

    def for_card(self) -> Fidelity:
        """As a card states it."""
        change = self.auc_change
        return Fidelity(
            logit_correlation=round(self.logit_correlation, 6),
            sign_agreement=round(self.sign_agreement, 6),
            max_probability_change=round(self.max_probability_change, 6),
            data=self.data,
            max_logit_error=round(self.max_logit_error, 6),
            label_agreement=round(self.label_agreement, 6),
            auc_change=None if change is None else round(change, 6),
        )

    def as_json(self) -> dict[str, object]:
        """For ``--json``: all fields and the two changes."""
        return asdict(self) | {
            "auc_change": self.auc_change,
            "calibration_change": self.calibration_change,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an agreement must keep to pass; None: anything goes.

    The defaults let through what changes no verdict that matters: a small form of a model.
    """

    max_logit_error: float | None = None
    min_correlation: float | None = 0.999
    min_sign_agreement: float | None = 0.995
    min_label_agreement: float | None = 0.98
    max_probability_change: float | None = 0.02
    max_auc_change: float | None = 0.003
    max_calibration_change: float | None = 0.01

    def failures(self, found: Agreement) -> tuple[str, ...]:
        """What is not kept, a sentence each; empty: passed. A value that is no number fails."""
        measured: dict[str, float | None] = {
            "max_logit_error": found.max_logit_error,
            "min_correlation": found.logit_correlation,
            "min_sign_agreement": found.sign_agreement,
            "min_label_agreement": found.label_agreement,
            "max_probability_change": found.max_probability_change,
            "max_auc_change": None if found.auc_change is None else abs(found.auc_change),
            "max_calibration_change": found.calibration_change,
        }
        problems = []
        for entry in fields(self):
            limit, value = getattr(self, entry.name), measured[entry.name]
            if limit is None or value is None:
                continue
            lowest = entry.name.startswith("min_")
            if not (value >= limit if lowest else value <= limit):
                word = "under" if lowest else "over"
                what = entry.name[4:].replace("_", " ")
                problems.append(f"{what} is {value:.6g}, {word} {limit:g}")
        return tuple(problems)


EXACT = Limits(
    max_logit_error=1e-3,
    min_correlation=0.9999,
    min_sign_agreement=None,
    min_label_agreement=None,
    max_probability_change=1e-3,
)
"""For two forms in float32 that differ by rounding only: an export and its origin."""


def compare(reference: Scorer, candidate: Scorer, faces: FaceSet, card: DetectorCard) -> Agreement:
    """Score the same inputs by both.

    Args:
        card: whose calibration and thresholds make verdicts of both: the reference's.
    """
    return agreement(
        reference.log_odds(faces.inputs), candidate.log_odds(faces.inputs), faces, card
    )


def agreement(before: Floats, after: Floats, faces: FaceSet, card: DetectorCard) -> Agreement:
    """Of log-odds (N,) that two forms gave for the inputs of a set."""
    decision = card.decision
    p_before, p_after = (
        np.asarray([calibrate(float(logit), decision.calibration) for logit in logits])
        for logits in (before, after)
    )
    labels = [
        [judge_probability(float(p), decision).label for p in values]
        for values in (p_before, p_after)
    ]
    error = np.abs(before - after)
    both = faces.labels is not None and len(set(faces.labels.tolist())) == 2
    truth = faces.labels.tolist() if faces.labels is not None and both else []
    return Agreement(
        count=len(before),
        data=faces.data,
        max_logit_error=float(error.max()),
        mean_logit_error=float(error.mean()),
        logit_correlation=_correlation(before, after),
        sign_agreement=float(np.mean((p_before >= 0.5) == (p_after >= 0.5))),
        label_agreement=float(np.mean([a == b for a, b in zip(*labels, strict=True)])),
        max_probability_change=float(np.abs(p_before - p_after).max()),
        auc=(auc(truth, before.tolist()), auc(truth, after.tolist())) if both else None,
        calibration_error=(
            expected_calibration_error(truth, p_before.tolist(), bins=CALIBRATION_BINS),
            expected_calibration_error(truth, p_after.tolist(), bins=CALIBRATION_BINS),
        )
        if both
        else None,
    )


def _correlation(before: Floats, after: Floats) -> float:
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return float("nan")
    if len(before) < 2 or before.std() == 0 or after.std() == 0:
        return 1.0 if np.allclose(before, after) else 0.0
    return float(np.corrcoef(before, after)[0, 1])
