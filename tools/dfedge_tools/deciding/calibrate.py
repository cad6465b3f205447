"""From scores to a decision: calibration, thresholds with their promises, and what they do.

Everything is done on the mean logit of a video, as the runtime does it. Split ``held`` are genuine
stills that were kept back; ``train`` is left out, since promises need scores the model was not
fitted on; whatever else there is are labelled clips.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfedge.errors import UsageError
from dfedge_tools.deciding.conformal import Share
from dfedge_tools.deciding.platt import FITS, CalibrationError, Fit, calibration_error, sigmoid
from dfedge_tools.deciding.promises import (
    HELD,
    Limits,
    Promise,
    Thresholds,
    find_thresholds,
)
from dfedge_tools.deciding.sweep import Choice, Sweep, choices, sweep
from dfedge_tools.evaluating.metrics import videos
from dfedge_tools.evaluating.scores import Scored

STEP = 1e-6
"""Of a threshold on P(fake), which is rounded to it on the side that keeps the promise."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold on the calibrated probability, with what it stands for."""

    threshold: float
    meaning: str


@dataclass(frozen=True, slots=True)
class DecisionNumbers:
    """What goes into the ``decision`` of a card, and how it does on the data it was set on.

    ``P(fake) = sigmoid(logit / temperature + bias)``.

    Attributes:
        shares: Group of videos -> share called FAKE, UNCERTAIN and REAL.
        counts: Group -> number of videos.
        promises: Of false alarms, by group, the one that sets the threshold first; last of misses.
        unseen_sources: See :class:`dfedge_tools.deciding.promises.Thresholds`.
        choices: Of the sweep, for comparison.
        notes: What a reader must know of the data, a sentence each.
    """

    temperature: float
    bias: float
    fitted_on: str
    fake: Threshold
    real: Threshold
    calibration_error: CalibrationError
    shares: dict[str, dict[str, float]]
    counts: dict[str, int]
    promises: tuple[Promise, ...]
    unseen_sources: dict[str, Share]
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Promises that were widened, or that the check contradicts; a sentence each."""
        return tuple(said for promise in self.promises if (said := _problem(promise)))


def decide(
    frames: Sequence[Scored],
    limits: Limits | None = None,
    *,
    fitted_on: str,
    fit: Fit = "likelihood",
) -> DecisionNumbers:
    """Calibration and thresholds for the scores of labelled clips and held-back stills.

    Raises:
        UsageError: There are no clips of both classes.
    """
    limits = limits or Limits()
    scored = judged_videos(frames)
    clips = [v for v in scored if v.split != HELD]
    if {v.label for v in clips} != {0, 1}:
        raise UsageError(
            f"the scores hold {sum(v.label == 1 for v in clips)} fake and "
            f"{sum(v.label == 0 for v in clips)} genuine clips outside the splits train and "
            f"{HELD}; a decision needs both"
        )
    logits = np.array([v.logit for v in clips])
    labels = np.array([float(v.label) for v in clips])
    slope, bias = FITS[fit](logits, labels)
    found = find_thresholds(scored, limits)
    fake_at, real_at = _probabilities(found, slope, bias)
    return DecisionNumbers(
        temperature=1 / slope,
        bias=bias,
        fitted_on=fitted_on,
        fake=Threshold(fake_at, _fake_meaning(found)),
        real=Threshold(real_at, _real_meaning(found)),
        calibration_error=calibration_error(logits, labels, [v.group for v in clips], fit=fit),
        shares=_shares(scored, slope, bias, fake_at, real_at),
        counts=dict(sorted(Counter(_group(v) for v in scored).items())),
        promises=(*found.false_alarms, found.misses),
        unseen_sources=found.unseen_sources,
        choices=choices(
            sweep_of(scored, temperature=1 / slope, bias=bias), low_false_alarms=limits.false_alarms
        ),
        notes=tuple(_notes(frames, scored)),
    )


def judged_videos(frames: Sequence[Scored]) -> list[Scored]:
    """One score a video that a promise may rest on: not trained on, of frames that count."""
    return videos([frame for frame in frames if frame.split != "train" and not frame.issues])


def sweep_of(scored: Sequence[Scored], *, temperature: float, bias: float) -> Sweep:
    """Every threshold on P(fake) of videos."""
    clips = [v for v in scored if v.split != HELD]
    stills = [v for v in scored if v.split == HELD and v.label == 0]
    return sweep(
        sigmoid(np.array([v.logit for v in clips]) / temperature + bias),
        np.array([float(v.label) for v in clips]),
        sigmoid(np.array([v.logit for v in stills]) / temperature + bias),
    )


def _probabilities(found: Thresholds, slope: float, bias: float) -> tuple[float, float]:
    """Both thresholds on P(fake), rounded away from each other.

    Where scores are so far apart that one threshold keeps both promises, it is put between them,
    at one half if that is there, and next to nothing is uncertain.
    """
    fake = float(sigmoid(np.array([slope * found.fake + bias]))[0])
    real = float(sigmoid(np.array([slope * found.real + bias]))[0])
    if found.fake < found.real:
        fake = real = min(max(0.5, fake), real)
    fake_at = min(1.0, math.floor(fake / STEP + 1) * STEP)
    real_at = max(0.0, math.ceil(real / STEP - 1) * STEP)
    return round(fake_at, 6), round(min(real_at, fake_at - STEP), 6)


def _fake_meaning(found: Thresholds) -> str:
    alarms = sorted(found.false_alarms, key=lambda promise: promise.group.startswith("stills of"))
    said = "; ".join(_promised(promise) for promise in alarms)
    return f"of new genuine faces like those it was set on, reached by {said}"


def _real_meaning(found: Thresholds) -> str:
    return (
        f"of new fakes by methods like those it was set on, kept under by {_promised(found.misses)}"
    )


def _promised(promise: Promise) -> str:
    kept = promise.kept
    people = "" if promise.identities == promise.count else f" of {promise.identities} people"
    return (
        f"at most {percent(promise.made)} of {promise.group} ({promise.count}{people}; checked on "
        f"people left out: {percent(kept.value)}, 95% {percent(kept.low)} to {percent(kept.high)})"
    )


def _problem(promise: Promise) -> str:
    if promise.fails:
        return (
            f"{promise.group}: on people left out {percent(promise.kept.value)} "
            f"(at least {percent(promise.kept.low)}) break the promise of at most "
            f"{percent(promise.made)}: they are not alike"
        )
    if promise.is_widened:
        return (
            f"{promise.group}: {percent(promise.asked)} was asked for, but {promise.identities} "
            f"people support no promise under 1 in {promise.identities + 1}, "
            f"{percent(promise.made)}; that is what is promised"
        )
    return ""


def _notes(frames: Sequence[Scored], scored: Sequence[Scored]) -> list[str]:
    notes = []
    seen = {frame.video_id for frame in frames if frame.split != "train"}
    if unusable := len(seen) - len(scored):
        notes.append(f"{unusable} videos without a usable frame were left out; they are UNCERTAIN")
    left_out = len({frame.video_id for frame in frames if frame.split == "train"})
    if left_out:
        notes.append(f"{left_out} videos of split train were left out")
    if not any(v.identity for v in scored if v.split != HELD):
        notes.append(
            "the table has no identities, so each video counts as a person of its own; where clips "
            "show the same people, promises and intervals are too tight"
        )
    if not any(v.split == HELD for v in scored):
        notes.append(f"there are no genuine stills (split {HELD}), so nothing is promised of them")
    return notes


def percent(share: float) -> str:
    """A share with as many digits as mean something: 7.7%, 1%, 0.4%."""
    return f"{100 * share:.2g}%" if share < 0.0995 else f"{100 * share:.0f}%"


def _shares(
    scored: Sequence[Scored], slope: float, bias: float, fake_at: float, real_at: float
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[float]] = {}
    for item in scored:
        stated = float(sigmoid(np.array([slope * item.logit + bias]))[0])
        groups.setdefault(_group(item), []).append(stated)
    return {
        name: {
            "FAKE": float(np.mean([p >= fake_at for p in values])),
            "UNCERTAIN": float(np.mean([real_at < p < fake_at for p in values])),
            "REAL": float(np.mean([p <= real_at for p in values])),
        }
        for name, values in sorted(groups.items())
    }


def _group(item: Scored) -> str:
    if item.split == HELD:
        return f"still {item.source or '?'}"
    return f"clip {item.method or ('fake' if item.label else 'original')}"
