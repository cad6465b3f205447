"""How well two forms of a model agree, from the logit to the verdict, and whether that will do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import Decision, DetectorCard, Fidelity
from dfedge.scoring import aggregate, calibrate, judge_probability
from dfedge_tools.evaluating.metrics import auc, expected_calibration_error
from dfedge_tools.faceset import FaceSet
from dfedge_tools.scorers import Scorer

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
        label_agreement: share of inputs with the same label, each under its card's thresholds.
        max_probability_change: largest difference of a calibrated P(fake).
        auc: of the reference and of the candidate; None without both classes.
        calibration_error: of the two, ten bins; None without both classes.
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
        """For ``--json``: all fields and the two changes; None for what is no finite number."""
        values = asdict(self) | {
            "auc_change": self.auc_change,
            "calibration_change": self.calibration_change,
        }
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One figure beside its limit.

    Attributes:
        name: of the field of :class:`Limits`.
        what: the figure in words.
        value: None where it could not be measured, such as an AUC without labels.
        limit: None where anything goes.
    """

    name: str
    what: str
    value: float | None
    limit: float | None

    @property
    def is_lowest(self) -> bool:
        """Whether the limit is the least that passes, rather than the most."""
        return self.name.startswith("min_")

    @property
    def kept(self) -> bool | None:
        """None where there is nothing to compare; a value that is no number is not kept."""
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit if self.is_lowest else self.value <= self.limit


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

    def checks(self, found: Agreement) -> tuple[Check, ...]:
        """Each figure that can be limited, beside its limit."""
        measured: dict[str, float | None] = {
            "max_logit_error": found.max_logit_error,
            "min_correlation": found.logit_correlation,
            "min_sign_agreement": found.sign_agreement,
            "min_label_agreement": found.label_agreement,
            "max_probability_change": found.max_probability_change,
            "max_auc_change": None if found.auc_change is None else abs(found.auc_change),
            "max_calibration_change": found.calibration_change,
        }
        return tuple(
            Check(
                name=entry.name,
                what=entry.name[4:].replace("_", " ").replace("auc", "AUC"),
                value=measured[entry.name],
                limit=getattr(self, entry.name),
            )
            for entry in fields(self)
        )

    def failures(self, found: Agreement) -> tuple[str, ...]:
        """What is not kept, a sentence each; empty: passed. A value that is no number fails."""
        return tuple(
            f"{check.what} is {check.value:.6g}, {'under' if check.is_lowest else 'over'} "
            f"{check.limit:g}"
            for check in self.checks(found)
            if check.kept is False
        )


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


def agreement(
    before: Floats,
    after: Floats,
    faces: FaceSet,
    card: DetectorCard,
    *,
    candidate_card: DetectorCard | None = None,
) -> Agreement:
    """Of log-odds (N,) that two forms gave for the inputs of a set.

    Args:
        card: whose calibration and thresholds make verdicts of both.
        candidate_card: of the candidate's, where they are to be its own.
    """
    decision = card.decision
    own = decision if candidate_card is None else candidate_card.decision
    return _agreement(before, after, _labels(faces), faces.data, (decision, own))


def clip_agreement(
    before: Floats,
    after: Floats,
    faces: FaceSet,
    card: DetectorCard,
    *,
    candidate_card: DetectorCard | None = None,
) -> Agreement | None:
    """As :func:`agreement`, of clips: each one's logits made one by the rule of the card.

    None where each input is a clip of its own.
    """
    names = list(dict.fromkeys(faces.clips))
    if len(names) == len(faces.clips):
        return None
    decision = card.decision
    own = decision if candidate_card is None else candidate_card.decision
    truth = _labels(faces)
    first = [faces.clips.index(name) for name in names]
    return _agreement(
        clip_log_odds(before, faces.clips, decision),
        clip_log_odds(after, faces.clips, own),
        [truth[place] for place in first] if truth else [],
        f"{len(names)} clips: {faces.data}",
        (decision, own),
    )


def clip_log_odds(log_odds: Floats, clips: Sequence[str], decision: Decision) -> Floats:
    """(clips,) log-odds of inputs (N,), a clip's inputs made one; in order of first appearance."""
    parts: dict[str, list[float]] = {}
    for clip, value in zip(clips, log_odds, strict=True):
        parts.setdefault(clip, []).append(float(value))
    return np.asarray([aggregate(part, decision.frame_aggregation) for part in parts.values()])


def probabilities(log_odds: Floats, decision: Decision) -> Floats:
    """Calibrated P(fake), (N,)."""
    return np.asarray([calibrate(float(value), decision.calibration) for value in log_odds])


def _agreement(
    before: Floats,
    after: Floats,
    truth: list[int],
    data: str,
    decisions: tuple[Decision, Decision],
) -> Agreement:
    """With `truth` empty where there is none, or only one class."""
    p_before, p_after = (
        probabilities(logits, decision)
        for logits, decision in zip((before, after), decisions, strict=True)
    )
    same_label = [
        judge_probability(float(p), decisions[0]).label
        == judge_probability(float(q), decisions[1]).label
        for p, q in zip(p_before, p_after, strict=True)
    ]
    error = np.abs(before - after)
    return Agreement(
        count=len(before),
        data=data,
        max_logit_error=float(error.max()),
        mean_logit_error=float(error.mean()),
        logit_correlation=_correlation(before, after),
        sign_agreement=float(np.mean((p_before >= 0.5) == (p_after >= 0.5))),
        label_agreement=float(np.mean(same_label)),
        max_probability_change=float(np.abs(p_before - p_after).max()),
        auc=(auc(truth, before.tolist()), auc(truth, after.tolist())) if truth else None,
        calibration_error=(
            expected_calibration_error(truth, p_before.tolist(), bins=CALIBRATION_BINS),
            expected_calibration_error(truth, p_after.tolist(), bins=CALIBRATION_BINS),
        )
        if truth
        else None,
    )


def _labels(faces: FaceSet) -> list[int]:
    """What is known to be fake, where both classes are there."""
    labels = [] if faces.labels is None else faces.labels.tolist()
    return labels if len(set(labels)) == 2 else []


def _correlation(before: Floats, after: Floats) -> float:
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return float("nan")
    if len(before) < 2 or before.std() == 0 or after.std() == 0:
        return 1.0 if np.allclose(before, after) else 0.0
    return float(np.corrcoef(before, after)[0, 1])
