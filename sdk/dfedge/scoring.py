"""From logits to labels: calibration, aggregation over frames and people, thresholds, reasons.

Pure functions of observations and a card; nothing here knows of models or media.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from dfedge.bundles.card import Calibration, Decision, Output, Quality
from dfedge.crops import CropQuality
from dfedge.types import Box, Tensor
from dfedge.verdict import Label, Observation, Reason, TimelinePoint, TrackVerdict

FrameAggregation: TypeAlias = Literal["mean_logit", "mean_probability"]
"""How the logits of a track's frames become one, by the card."""


def fake_logits(outputs: Tensor, output: Output) -> Tensor:
    """The log-odds of *fake* for each row of a model's outputs.

    Args:
        outputs: (batch, classes) logits.
        output: what the classes are and which activation belongs to them.

    Returns:
        (batch,) log-odds: the logit itself where there is one class; under a softmax the logit less
        the log-sum-exp of the others, so that ``sigmoid`` of it is the softmax probability; of
        several sigmoids those of ``fake`` against the sum of the others.
    """
    fake = outputs[:, output.fake_index]
    if len(output.classes) == 1:
        return fake
    others = np.delete(outputs, output.fake_index, axis=1)
    if output.activation == "sigmoid":
        fake, others = -np.logaddexp(0, -fake), -np.logaddexp(0, -others)
    highest = others.max(axis=1)
    log_sum = np.log(np.exp(others - highest[:, np.newaxis]).sum(axis=1))
    odds: Tensor = (fake - highest) - log_sum
    return odds


def calibrate(logit: float, calibration: Calibration) -> float:
    """P(fake) = sigmoid(logit / temperature + bias), 0 to 1, for any finite logit."""
    x = logit / calibration.temperature + calibration.bias
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def quality_issues(box: Box, crop: CropQuality, quality: Quality) -> tuple[Reason, ...]:
    """Why a face cannot be judged by the card's limits; empty when it can."""
    checks = (
        (min(box.width, box.height) < quality.min_face_pixels, Reason.FACE_TOO_SMALL),
        (crop.sharpness < quality.min_sharpness, Reason.TOO_BLURRY),
        (crop.brightness < quality.min_brightness, Reason.TOO_DARK),
        (crop.brightness > quality.max_brightness, Reason.TOO_BRIGHT),
    )
    return tuple(reason for failed, reason in checks if failed)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A label with its probability, confidence and reasons."""

    label: Label
    fake_probability: float | None
    confidence: float | None
    reasons: tuple[Reason, ...]


def judge_probability(probability: float, decision: Decision) -> Judgement:
    """The label of a calibrated probability by the card's two thresholds."""
    if probability >= decision.fake.threshold:
        reasons = (Reason.SCORE_ABOVE_FAKE_THRESHOLD,)
        return Judgement(Label.FAKE, probability, probability, reasons)
    if probability <= decision.real.threshold:
        reasons = (Reason.SCORE_BELOW_REAL_THRESHOLD,)
        return Judgement(Label.REAL, probability, 1.0 - probability, reasons)
    return Judgement(Label.UNCERTAIN, probability, None, (Reason.SCORE_IN_UNSURE_BAND,))


def aggregate(logits: Sequence[float], how: FrameAggregation) -> float:
    """The logit of a track from those of its frames, before calibration.

    Args:
        logits: at least one, finite, of any size.
        how: their mean, or the log-odds of the mean of the probabilities ``sigmoid(logit)``. The
            latter is worked out on logarithms, so that probabilities of 0 and 1 stay finite.
    """
    if how == "mean_logit":
        return math.fsum(logits) / len(logits)
    values = np.asarray(logits, dtype=np.float64)
    log_fake, log_real = -np.logaddexp(0.0, -values), -np.logaddexp(0.0, values)
    return float(np.logaddexp.reduce(log_fake) - np.logaddexp.reduce(log_real))


def usable_frames_needed(decision: Decision, clip_frames: int = 1) -> int:
    """Usable frames of one person that a verdict on a video asks for.

    Args:
        clip_frames: frames the model takes at once. A model of clips needs at least half of them,
            rounded up: a clip made up of repeats shows it no movement.
    """
    half = (clip_frames + 1) // 2 if clip_frames > 1 else 1
    return max(decision.min_usable_frames, half)


def judge_track(
    track_id: int,
    observations: Sequence[Observation],
    decision: Decision,
    *,
    frames_sampled: int,
    clip_frames: int = 1,
) -> TrackVerdict:
    """What is said of one person.

    Args:
        track_id: number of the track.
        observations: at least one, in order of time.
        decision: calibration, thresholds and the number of usable frames asked for.
        frames_sampled: frames of the source that were looked at; of a single one no more is asked,
            but by a model of clips.
        clip_frames: frames the model takes at once; 1 for a model of single pictures.
    """
    usable = [observation for observation in observations if observation.usable]
    counted = usable or observations
    logit = aggregate([seen.logit for seen in counted], decision.frame_aggregation)
    judgement = judge_probability(calibrate(logit, decision.calibration), decision)
    novelty = mean_novelty(counted)
    if is_novel(novelty, decision):
        reasons = (Reason.OUT_OF_DISTRIBUTION,)
        judgement = Judgement(Label.UNCERTAIN, judgement.fake_probability, None, reasons)
    if len(usable) < _frames_needed(decision, frames_sampled, clip_frames):
        issues = _by_frequency(observations)
        few = () if _is_still(frames_sampled, clip_frames) else (Reason.TOO_FEW_FRAMES,)
        judgement = Judgement(Label.UNCERTAIN, judgement.fake_probability, None, (*few, *issues))
    assert judgement.fake_probability is not None
    return TrackVerdict(
        track_id=track_id,
        label=judgement.label,
        fake_probability=judgement.fake_probability,
        confidence=judgement.confidence,
        reasons=judgement.reasons,
        usable_frames=len(usable),
        observations=tuple(observations),
        novelty=novelty,
    )


def mean_novelty(observations: Sequence[Observation]) -> float | None:
    """Mean novelty of the observations, to six digits; None where any has none."""
    values = [seen.novelty for seen in observations if seen.novelty is not None]
    if not values or len(values) < len(observations):
        return None
    return round(math.fsum(values) / len(values), 6)


def is_novel(novelty: float | None, decision: Decision) -> bool:
    """Whether the model knows no such faces, by the limit of its card.

    Not being a number is as unlike as can be.
    """
    limit = decision.novelty
    return limit is not None and novelty is not None and not novelty <= limit.threshold


def suspect(
    tracks: Sequence[TrackVerdict],
    decision: Decision,
    *,
    frames_sampled: int,
    clip_frames: int = 1,
) -> TrackVerdict | None:
    """The person whose verdict is that of the source: the most suspicious with enough frames.

    FAKE comes before UNCERTAIN and that before REAL, whatever the probabilities: those of a face
    that is out of distribution mean nothing, and may neither hide a fake nor be passed over. Where
    nobody has enough usable frames it is the most suspicious of all; None without tracks.
    """
    needed = _frames_needed(decision, frames_sampled, clip_frames)
    judged = [track for track in tracks if track.usable_frames >= needed]
    return max(
        judged or tracks,
        key=lambda track: (_RANK[track.label], track.fake_probability, -track.track_id),
        default=None,
    )


def judge_clip(
    tracks: Sequence[TrackVerdict],
    decision: Decision,
    *,
    frames_sampled: int,
    clip_frames: int = 1,
) -> Judgement:
    """The verdict on the whole source: that of its :func:`suspect`; NO_FACE without any face."""
    track = suspect(tracks, decision, frames_sampled=frames_sampled, clip_frames=clip_frames)
    if track is None:
        return Judgement(Label.NO_FACE, None, None, (Reason.NO_FACE,))
    return Judgement(track.label, track.fake_probability, track.confidence, track.reasons)


def timeline(
    sampled_pts_seconds: Sequence[float], observations: Sequence[Observation]
) -> tuple[TimelinePoint, ...]:
    """The highest P(fake) at each sampled time; None where no face was found."""
    highest: dict[float, float] = {}
    for observation in observations:
        before = highest.get(observation.pts_seconds, 0.0)
        highest[observation.pts_seconds] = max(before, observation.fake_probability)
    return tuple(
        TimelinePoint(pts_seconds=pts, fake_probability=highest.get(pts))
        for pts in sampled_pts_seconds
    )


_RANK = {Label.NO_FACE: 0, Label.REAL: 1, Label.UNCERTAIN: 2, Label.FAKE: 3}


def _frames_needed(decision: Decision, frames_sampled: int, clip_frames: int) -> int:
    if _is_still(frames_sampled, clip_frames):
        return 1
    return usable_frames_needed(decision, clip_frames)


def _is_still(frames_sampled: int, clip_frames: int) -> bool:
    """Whether a single picture is judged by a model of single pictures."""
    return frames_sampled == clip_frames == 1


def _by_frequency(observations: Sequence[Observation]) -> tuple[Reason, ...]:
    counts = Counter(issue for observation in observations for issue in observation.issues)
    return tuple(reason for reason, _ in counts.most_common())
