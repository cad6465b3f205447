"""From a table of scores to everything that is reported of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sklearn.metrics import roc_curve

from dfedge import __version__
from dfedge.bundles.card import Decision
from dfedge.verdict import Label
from dfedge_tools.evaluating.bootstrap import CALIBRATION_BINS, Units, group_numbers
from dfedge_tools.evaluating.estimates import at_threshold, estimates, share
from dfedge_tools.evaluating.groups import group_figures, shares
from dfedge_tools.evaluating.results import (
    Bin,
    Evaluation,
    FalseAlarms,
    Histogram,
    Level,
    LevelFigures,
    Mistake,
    ModelInfo,
    OperatingPoint,
    PredictionTable,
    Robustness,
    Selective,
)
from dfedge_tools.evaluating.scores import ScoreTable
from dfedge_tools.evaluating.units import (
    Video,
    frame_units,
    identity_units,
    judge_videos,
    video_units,
)

LEAST = 3
"""Units of a class below which a figure that needs them is not told."""
HISTOGRAM_BINS = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores become labels.

    Attributes:
        decision: calibration and thresholds, of a card or `units.NO_CARD`.
        clip_frames: frames the model takes at once.
        model: the bundle; None for scores that came without one.
    """

    decision: Decision
    clip_frames: int = 1
    model: ModelInfo | None = None


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """The largest shares of genuine pictures called FAKE; None: not checked."""

    overall: float | None = None
    group: float | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What is told of where the scores are from."""

    data: tuple[str, ...]
    command: str
    created: datetime
    notes: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def evaluate(
    table: ScoreTable,
    rule: Rule,
    about: About,
    *,
    limits: AlarmLimits = AlarmLimits(),
    least: int = LEAST,
    worst: int = 24,
    predictions: tuple[PredictionTable, ...] = (),
    robustness: tuple[Robustness, ...] = (),
) -> Evaluation:
    """All figures of a table.

    Genuine stills that were kept back (split ``held``) count for false alarms and shares only,
    where there are other videos: a thousand easy portraits would drown the clips.

    Args:
        least: units of a class below which a figure that needs them is not told.
        worst: mistakes that are listed.
    """
    decision = rule.decision
    videos = judge_videos(table, decision, clip_frames=rule.clip_frames)
    clips = [video for video in videos if not video.is_still] or videos
    judged = {video.first.clip for video in clips}
    units = {
        "frame": frame_units((f for f in table.frames if f.clip in judged), decision),
        "video": video_units(clips),
        "identity": identity_units(clips, decision),
    }
    levels: tuple[Level, ...] = ("frame", "video", "identity")
    return Evaluation(
        dfedge_version=__version__,
        created=about.created.isoformat(timespec="seconds"),
        command=about.command,
        data=about.data,
        model=rule.model,
        notes=about.notes,
        frames=len(table.frames),
        frames_without_face=len(table.faceless),
        unreadable=about.unreadable,
        levels=tuple(_level(name, units[name], least) for name in levels if len(units[name])),
        points=_points(units["video"], decision, least),
        shares=shares(videos),
        groups=group_figures(clips, least=least),
        selective=_selective(clips, least),
        false_alarms=_false_alarms(videos, limits),
        reliability=reliability(units["video"]),
        roc=_roc(units["video"]),
        histogram=_histogram(videos, clips),
        mistakes=tuple(_mistake(video) for video in worst_videos(videos, worst)),
        predictions=predictions,
        robustness=robustness,
    )


def worst_videos(videos: Sequence[Video], count: int) -> list[Video]:
    """The videos scored farthest on the wrong side of one half, the worst first."""

    def depth(video: Video) -> float:
        stated = video.fake_probability or 0.0
        return 0.5 - stated if video.first.label else stated - 0.5

    wrong = [v for v in videos if v.fake_probability is not None and depth(v) > 0]
    return sorted(wrong, key=lambda video: (-depth(video), video.first.clip))[:count]


def reliability(units: Units, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Stated against observed, in equal-width bins; both classes weigh the same."""
    if not units.fakes or not units.reals:
        return ()
    weights = np.where(units.labels == 1, 0.5 / units.fakes, 0.5 / units.reals)
    which = np.minimum((units.probabilities * bins).astype(np.int64), bins - 1)
    out = []
    for number in range(bins):
        inside = which == number
        total = float(weights[inside].sum())
        out.append(
            Bin(
                low=number / bins,
                high=(number + 1) / bins,
                stated=float((weights * units.probabilities)[inside].sum() / total)
                if total
                else None,
                observed=float((weights * units.labels)[inside].sum() / total) if total else None,
                count=int(inside.sum()),
            )
        )
    return tuple(out)


def _level(name: Level, units: Units, least: int) -> LevelFigures:
    return LevelFigures(
        level=name,
        fakes=units.fakes,
        reals=units.reals,
        identities=len(np.unique(units.groups)),
        figures=estimates(units, least=least),
    )


def _points(units: Units, decision: Decision, least: int) -> tuple[OperatingPoint, ...]:
    """The card's thresholds, one half, and the points that the data set themselves."""
    if not len(units):
        return ()
    fixed = [
        ("FAKE", decision.fake.meaning, decision.fake.threshold),
        ("REAL", decision.real.meaning, decision.real.threshold),
        ("one half", "neither is likelier", 0.5),
    ]
    if decision.fake.threshold == decision.real.threshold:
        fixed = [("FAKE", decision.fake.meaning, decision.fake.threshold)]
    points = [
        OperatingPoint(
            name=name,
            meaning=meaning,
            threshold=threshold,
            figures=estimates(units, at_threshold(threshold), least=least),
        )
        for name, meaning, threshold in fixed
    ]
    found = estimates(units, least=least)
    for name, figure in (
        ("FPR 1%", "fnr_at_fpr_1"),
        ("FPR 5%", "fnr_at_fpr_5"),
        ("FNR 5%", "fpr_at_fnr_5"),
        ("EER", "eer"),
    ):
        points.append(
            OperatingPoint(
                name=name,
                meaning=_SET_BY_DATA[name],
                threshold=None,
                figures={_OTHER[name]: found[figure]},
            )
        )
    return tuple(points)


def _selective(clips: Sequence[Video], least: int) -> Selective:
    decided = [video for video in clips if video.label in (Label.FAKE, Label.REAL)]
    return Selective(
        coverage=share(
            np.array([video.label in (Label.FAKE, Label.REAL) for video in clips], np.bool_),
            group_numbers([video.first.person for video in clips]),
            least=least,
            what="clips",
        ),
        error=share(
            np.array([video.is_wrong for video in decided], np.bool_),
            group_numbers([video.first.person for video in decided]),
            least=least,
            what="clips called FAKE or REAL",
        ),
    )


def _false_alarms(videos: Sequence[Video], limits: AlarmLimits) -> tuple[FalseAlarms, ...]:
    """Of the stills kept back where there are any, else of all that is genuine; by source."""
    genuine = [video for video in videos if not video.first.label]
    chosen = [video for video in genuine if video.is_still] or genuine
    by_source: dict[str, list[Video]] = {}
    for video in chosen:
        by_source.setdefault(video.first.source or "unknown", []).append(video)
    rows = [_alarms("all", chosen, limits.overall)] if chosen else []
    rows += [_alarms(name, by_source[name], limits.group) for name in sorted(by_source)]
    return tuple(rows)


def _alarms(source: str, videos: Sequence[Video], limit: float | None) -> FalseAlarms:
    alarmed = np.array([video.label is Label.FAKE for video in videos], np.bool_)
    return FalseAlarms(
        source=source,
        count=len(videos),
        called_fake=int(alarmed.sum()),
        share=share(
            alarmed, group_numbers([v.first.person for v in videos]), least=1, what="genuine"
        ),
        limit=limit,
    )


def _roc(units: Units) -> tuple[tuple[float, float], ...]:
    if not units.fakes or not units.reals:
        return ()
    fpr, tpr, _ = roc_curve(units.labels, units.scores)
    return tuple((float(x), float(y)) for x, y in zip(fpr, tpr, strict=True))


def _histogram(videos: Sequence[Video], clips: Sequence[Video]) -> Histogram:
    def counts(members: Sequence[Video]) -> tuple[int, ...]:
        stated = [v.fake_probability for v in members if v.fake_probability is not None]
        return tuple(int(n) for n in np.histogram(stated, HISTOGRAM_BINS, (0.0, 1.0))[0])

    return Histogram(
        fakes=counts([video for video in clips if video.first.label]),
        reals=counts([video for video in clips if not video.first.label]),
        stills=counts([v for v in videos if v.is_still]) if len(clips) < len(videos) else (),
    )


def _mistake(video: Video) -> Mistake:
    row = video.worst
    assert row is not None
    assert video.fake_probability is not None
    return Mistake(
        video_id=row.video_id,
        path=row.path,
        frame=row.frame,
        label=row.label,
        called=video.label.value,
        fake_probability=video.fake_probability,
        method=row.method,
        compression=row.compression,
        source=row.source,
    )


_SET_BY_DATA = {
    "FPR 1%": "where at most 1% of these genuine videos are called fake",
    "FPR 5%": "where at most 5% of these genuine videos are called fake",
    "FNR 5%": "where at most 5% of these fake videos are missed",
    "EER": "where as many genuine videos are called fake as fakes are missed",
}
_OTHER = {"FPR 1%": "fnr", "FPR 5%": "fnr", "FNR 5%": "fpr", "EER": "eer"}
