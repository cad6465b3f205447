"""From the opinions of several models, and the device's, to one.

Pure functions of verdicts and cards. What a device says is a stranger's word: it may shift the
number by a bounded amount, never decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dfedge.bundles.card import DetectorCard
from dfedge.escalation.wire import Thresholds
from dfedge.scoring import Judgement, judge_probability
from dfedge.verdict import Label, ModelInfo, Opinion, Reason, Verdict

DEVICE_BOUND: Final = 0.99
"""P(fake) of a device counts from one less this to this: log-odds of at most 4.6."""

MODEL_BOUND: Final = 0.9999
"""The same for the models here, so that one that is all too sure leaves others a say."""

DEVICE: Final = "device"
"""What a device's model is called when it does not say."""

_BY_SCORE: Final = frozenset(
    {
        Reason.SCORE_ABOVE_FAKE_THRESHOLD,
        Reason.SCORE_BELOW_REAL_THRESHOLD,
        Reason.SCORE_IN_UNSURE_BAND,
    }
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION: Final = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Judged:
    """What one model of the server says.

    Attributes:
        weight: greater than 0.
    """

    card: DetectorCard
    weight: float
    verdict: Verdict

    @property
    def by_score(self) -> bool:
        """Whether it could judge: neither the picture nor novelty kept it from that."""
        return not _BY_SCORE.isdisjoint(self.verdict.reasons)


@dataclass(frozen=True, slots=True)
class Fused:
    """One judgement of several.

    Attributes:
        leading: the model whose thresholds the label rests on, and whose tracks are shown.
    """

    judgement: Judgement
    leading: Judged
    thresholds: Thresholds | None


def fuse(judged: Sequence[Judged], device: Verdict | None, device_weight: float) -> Fused:
    """The judgement of all.

    P(fake) is the weighted mean of the calibrated log-odds of those that could judge; the label
    comes from the thresholds of the heaviest of them (the first of equals). If some say FAKE and
    others REAL it is UNCERTAIN. If none could judge it is UNCERTAIN for the reasons they had.

    Args:
        judged: at least one, all of the same faces.
        device: counts beside models that could judge, if it could.
        device_weight: of the device, at least 0.
    """
    voters = [each for each in judged if each.by_score]
    leading = max(voters or judged, key=lambda each: each.weight)
    why = _other_reasons(judged)
    if leading.verdict.label is Label.NO_FACE:
        return Fused(Judgement(Label.NO_FACE, None, None, why), leading, None)
    decision = leading.card.decision
    thresholds = Thresholds(real=decision.real.threshold, fake=decision.fake.threshold)
    probability = _mean(voters or judged, device if voters else None, device_weight)
    if not voters:
        return Fused(Judgement(Label.UNCERTAIN, probability, None, why), leading, thresholds)
    labels = {each.verdict.label for each in voters}
    if labels >= {Label.FAKE, Label.REAL}:
        why = (Reason.MODELS_DISAGREE, *why)
        return Fused(Judgement(Label.UNCERTAIN, probability, None, why), leading, thresholds)
    by_score = judge_probability(probability, decision)
    judgement = Judgement(
        by_score.label, probability, by_score.confidence, (*by_score.reasons, *why)
    )
    return Fused(judgement, leading, thresholds)


def heavy_opinion(judged: Judged) -> Opinion:
    """What a model of the server says."""
    return Opinion(
        model=judged.card.name,
        tier="heavy",
        label=judged.verdict.label,
        fake_probability=judged.verdict.fake_probability,
    )


def device_opinion(device: Verdict) -> tuple[Opinion, ModelInfo | None]:
    """What a device says, and the model it says it used as far as that can be one."""
    info = next(
        (
            model
            for model in device.models
            if model.role == "edge"
            and _NAME.fullmatch(model.name)
            and _VERSION.fullmatch(model.version)
            and _SHA256.fullmatch(model.sha256)
        ),
        None,
    )
    opinion = Opinion(
        model=DEVICE if info is None else info.name,
        tier="edge",
        label=device.label,
        fake_probability=device.fake_probability,
    )
    return opinion, info


def _mean(judged: Sequence[Judged], device: Verdict | None, device_weight: float) -> float:
    """The weighted mean in log-odds; a single opinion stays what it is to the last digit."""
    said = [(each.verdict.fake_probability, each.weight, MODEL_BOUND) for each in judged]
    if device is not None and device_weight > 0 and not _BY_SCORE.isdisjoint(device.reasons):
        said.append((device.fake_probability, device_weight, DEVICE_BOUND))
    heard = [(number, weight, bound) for number, weight, bound in said if number is not None]
    if len(heard) == 1:
        return heard[0][0]
    odds = math.fsum(weight * _log_odds(number, bound) for number, weight, bound in heard)
    return 1 / (1 + math.exp(-odds / math.fsum(weight for _, weight, _ in heard)))


def _log_odds(probability: float, bound: float) -> float:
    bounded = min(max(probability, 1 - bound), bound)
    return math.log(bounded / (1 - bounded))


def _other_reasons(judged: Sequence[Judged]) -> tuple[Reason, ...]:
    """Why some could not judge, and what else is to be said, each once."""
    reasons = (reason for each in judged for reason in each.verdict.reasons)
    return tuple(dict.fromkeys(reason for reason in reasons if reason not in _BY_SCORE))
