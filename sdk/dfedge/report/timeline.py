"""Geometry of the score timeline. Positions are percent of the plot, from its left and top edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dfedge.report.people import by_suspicion, colour_of, describe_observation
from dfedge.report.wording import Thresholds, clock, percent, person
from dfedge.verdict import TrackVerdict, Verdict

_TICK_STEPS_SECONDS = (
    0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400,
)  # fmt: skip
_TICKS_WANTED = 7
_LABEL_ROOM = 9.0
"""Height of a label of the score axis, in percent of the plot."""
_MISSES_BRIDGED = 1
"""Sampled frames without the person that a line still crosses; it breaks at longer gaps."""


@dataclass(frozen=True, slots=True)
class DotView:
    """One observation."""

    x: float
    y: float
    counts: bool
    description: str


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One person's scores: dots, and lines (``x,y x,y ...``) through those without a gap."""

    name: str
    colour: str
    lines: tuple[str, ...]
    dots: tuple[DotView, ...]


@dataclass(frozen=True, slots=True)
class RowView:
    """One sampled frame in the table that stands for the picture."""

    time: str
    score: str


@dataclass(frozen=True, slots=True)
class TimelineView:
    """The whole plot.

    Attributes:
        real_y, fake_y: heights of the two thresholds.
        levels: (y, label) of the score axis.
        ticks: (x, label) of the time axis.
    """

    identifier: str
    real_y: float
    fake_y: float
    levels: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    series: tuple[SeriesView, ...]
    description: str
    rows: tuple[RowView, ...]


def timeline_view(verdict: Verdict, thresholds: Thresholds, number: int) -> TimelineView | None:
    """The plot of a source with more than one sampled frame and a face; None without."""
    times = [point.pts_seconds for point in verdict.timeline]
    scored = any(point.fake_probability is not None for point in verdict.timeline)
    if len(times) < 2 or not scored or max(times) <= min(times):
        return None
    axis = _Axis.over(times, verdict.source.duration_seconds)
    return TimelineView(
        identifier=f"timeline-{number}",
        real_y=_height(thresholds.real),
        fake_y=_height(thresholds.fake),
        levels=_levels(thresholds),
        ticks=axis.ticks(),
        series=tuple(
            _series(track, colour_of(rank), axis, times)
            for rank, track in enumerate(by_suspicion(verdict))
        ),
        description=_description(verdict, thresholds),
        rows=tuple(
            RowView(
                clock(point.pts_seconds, tenths=True),
                "no face" if point.fake_probability is None else percent(point.fake_probability),
            )
            for point in verdict.timeline
        ),
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """Time from ``start`` to ``end`` seconds over the width of the plot."""

    start: float
    end: float

    @classmethod
    def over(cls, times: Sequence[float], duration_seconds: float | None) -> _Axis:
        """The whole source where its length is known, else what was seen of it."""
        if duration_seconds is None:
            return cls(min(times), max(times))
        return cls(0.0, max(duration_seconds, *times))

    def position(self, seconds: float) -> float:
        return round(100 * (seconds - self.start) / (self.end - self.start), 2)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """At most seven round times, or eight when both ends are round."""
        span = self.end - self.start
        step = next(
            (step for step in _TICK_STEPS_SECONDS if span / step <= _TICKS_WANTED),
            _TICK_STEPS_SECONDS[-1],
        )
        first = int(-(-self.start // step))
        last = int(self.end // step)
        tenths = step < 1
        return tuple(
            (self.position(index * step), clock(index * step, tenths=tenths))
            for index in range(first, last + 1)
        )


def _series(track: TrackVerdict, colour: str, axis: _Axis, times: Sequence[float]) -> SeriesView:
    dots = tuple(
        DotView(
            x=axis.position(observation.pts_seconds),
            y=_height(observation.fake_probability),
            counts=observation.usable,
            description=describe_observation(track, observation),
        )
        for observation in track.observations
    )
    return SeriesView(person(track.track_id), colour, _lines(track, dots, times), dots)


def _lines(track: TrackVerdict, dots: Sequence[DotView], times: Sequence[float]) -> tuple[str, ...]:
    """Runs of at least two dots, broken where the person is missing for several sampled frames."""
    places = [
        min(range(len(times)), key=lambda index: abs(times[index] - observation.pts_seconds))
        for observation in track.observations
    ]
    runs: list[list[DotView]] = []
    for index, dot in enumerate(dots):
        if index == 0 or places[index] - places[index - 1] > _MISSES_BRIDGED + 1:
            runs.append([])
        runs[-1].append(dot)
    return tuple(" ".join(f"{dot.x},{dot.y}" for dot in run) for run in runs if len(run) > 1)


def _levels(thresholds: Thresholds) -> tuple[tuple[float, str], ...]:
    """Labels of the score axis: both thresholds, moved apart where they touch, then the ends."""
    fake, real = _height(thresholds.fake), _height(thresholds.real)
    overlap = max(_LABEL_ROOM - (real - fake), 0.0)
    levels = [
        (round(fake - overlap / 2, 2), percent(thresholds.fake)),
        (round(real + overlap / 2, 2), percent(thresholds.real)),
    ]
    ends = [(0.0, "100%"), (100.0, "0%")]
    free = [end for end in ends if all(abs(end[0] - level) >= _LABEL_ROOM for level, _ in levels)]
    return tuple(sorted(levels + free))


def _height(probability: float) -> float:
    return round(100 - 100 * probability, 2)


def _description(verdict: Verdict, thresholds: Thresholds) -> str:
    """The plot in words, for those who cannot see it."""
    scores = [
        (point.fake_probability, point.pts_seconds)
        for point in verdict.timeline
        if point.fake_probability is not None
    ]
    highest, at = max(scores)
    lowest, _ = min(scores)
    above = sum(score >= thresholds.fake for score, _ in scores)
    return (
        f"P(fake) of {len(scores)} sampled frames with a face, from {percent(lowest)} to "
        f"{percent(highest)} (highest at {clock(at, tenths=True)}); {above} of them reach the "
        f"threshold for FAKE at {percent(thresholds.fake)}. REAL is at or under "
        f"{percent(thresholds.real)}."
    )
