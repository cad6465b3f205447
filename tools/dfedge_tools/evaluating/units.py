"""From rows of scores to what is judged: frames, videos as the SDK judges them, and identities."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from dfedge.bundles.card import Calibration, Decision, OperatingPoint, Quality
from dfedge.crops import CropQuality
from dfedge.scoring import aggregate, calibrate, judge_track
from dfedge.types import Box
from dfedge.verdict import Label, Observation
from dfedge_tools.evaluating.bootstrap import Units, group_numbers
from dfedge_tools.evaluating.scores import Labelled, Scored, ScoreTable

NO_CARD = Decision(
    calibration=Calibration(fitted_on="nothing: P(fake) is the sigmoid of the score"),
    fake=OperatingPoint(threshold=0.5, meaning="P(fake) of at least one half"),
    real=OperatingPoint(threshold=0.5, meaning="P(fake) of less than one half"),
    quality=Quality(
        min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
    ),
    min_usable_frames=1,
)
"""For scores that come without a card: no calibration, no unsure band, every frame counts."""

HELD = "held"
"""Split of genuine stills on which only false alarms are counted."""


@dataclass(frozen=True, slots=True)
class Video:
    """A clip or a still with what was said of it.

    Attributes:
        first: what its rows have in common: label, method, ...
        label: what it was called.
        logit: of the whole video before calibration; None without a face.
        fake_probability: calibrated; None without a face.
        frames: rows with a score.
        usable: of those, rows that count.
        worst: the row that speaks most against the truth; None without a face.
        quality: medians over its frames of what was measured; None where nothing was.
        face_pixels: median over its frames, pixels.
    """

    first: Labelled
    label: Label
    logit: float | None
    fake_probability: float | None
    frames: int
    usable: int
    worst: Scored | None
    quality: CropQuality | None
    face_pixels: float | None

    @property
    def is_still(self) -> bool:
        """Whether it is one of the genuine stills kept back."""
        return self.first.split == HELD

    @property
    def is_wrong(self) -> bool:
        """Whether it was called the opposite of what it is."""
        return self.label is (Label.REAL if self.first.label else Label.FAKE)


def judge_videos(table: ScoreTable, decision: Decision, *, clip_frames: int = 1) -> list[Video]:
    """Each video of a table, judged from its rows as the SDK judges one person.

    Frames that the card does not count are left out where others count; too few of them make the
    label UNCERTAIN, and none with a face makes it NO_FACE.

    Args:
        clip_frames: frames the model takes at once.
    """
    first: dict[tuple[str, str], Labelled] = {}
    sampled: Counter[tuple[str, str]] = Counter()
    scored: dict[tuple[str, str], list[Scored]] = {}
    for row in (*table.frames, *table.faceless):
        first.setdefault(row.clip, row)
        sampled[row.clip] += 1
    for frame in table.frames:
        scored.setdefault(frame.clip, []).append(frame)
    return [
        _judge(row, scored.get(clip, []), decision, sampled[clip], clip_frames)
        for clip, row in first.items()
    ]


def video_units(videos: Sequence[Video]) -> Units:
    """The videos that have a score."""
    known = [video for video in videos if video.logit is not None]
    return _units(
        [(v.first.label, v.logit or 0.0, v.fake_probability or 0.0, v.first.person) for v in known]
    )


def frame_units(frames: Iterable[Scored], decision: Decision) -> Units:
    """Every frame for itself."""
    return _units(
        [(f.label, f.logit, calibrate(f.logit, decision.calibration), f.person) for f in frames]
    )


def identity_units(videos: Sequence[Video], decision: Decision) -> Units:
    """The people: all genuine videos of one are a unit, and all fake ones; the mean logit counts.

    Videos whose identity is not known are left out.
    """
    rows: dict[tuple[str, int], list[float]] = {}
    for video in videos:
        if video.logit is not None and video.first.identity:
            rows.setdefault((video.first.person, video.first.label), []).append(video.logit)
    means = {key: math.fsum(logits) / len(logits) for key, logits in rows.items()}
    return _units(
        [
            (label, mean, calibrate(mean, decision.calibration), person)
            for (person, label), mean in means.items()
        ]
    )


def _judge(
    first: Labelled, frames: Sequence[Scored], decision: Decision, sampled: int, clip_frames: int
) -> Video:
    if not frames:
        return Video(first, Label.NO_FACE, None, None, 0, 0, None, None, None)
    observed = [_observation(frame, decision) for frame in frames]
    verdict = judge_track(0, observed, decision, frames_sampled=sampled, clip_frames=clip_frames)
    counted = [frame for frame in frames if not frame.issues] or frames
    return Video(
        first=first,
        label=verdict.label,
        logit=aggregate([frame.logit for frame in counted], decision.frame_aggregation),
        fake_probability=verdict.fake_probability,
        frames=len(frames),
        usable=verdict.usable_frames,
        worst=(min if first.label else max)(counted, key=lambda frame: frame.logit),
        quality=_quality(frames),
        face_pixels=_median([frame.face_pixels for frame in frames]),
    )


def _observation(frame: Scored, decision: Decision) -> Observation:
    return Observation(
        pts_seconds=max(0.0, frame.pts_seconds or 0.0),
        frame_index=frame.frame,
        box=Box(0.0, 0.0, 1.0, 1.0),
        detection_score=1.0,
        logit=frame.logit,
        fake_probability=calibrate(frame.logit, decision.calibration),
        novelty=frame.novelty,
        issues=frame.issues,
    )


def _quality(frames: Sequence[Scored]) -> CropQuality | None:
    sharpness = _median([frame.sharpness for frame in frames])
    brightness = _median([frame.brightness for frame in frames])
    if sharpness is None or brightness is None:
        return None
    return CropQuality(sharpness, brightness)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _units(rows: Sequence[tuple[int, float, float, str]]) -> Units:
    labels, scores, probabilities, groups = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Units(
        labels=np.asarray(labels, np.int64),
        scores=np.asarray(scores, np.float64),
        probabilities=np.asarray(probabilities, np.float64),
        groups=group_numbers(groups),
    )
