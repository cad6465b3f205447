"""The timeline of a page: the report's geometry, and where each dot leads."""

from __future__ import annotations

from dataclasses import dataclass

from dfedge.report.people import by_suspicion
from dfedge.report.timeline import DotView, TimelineView, timeline_view
from dfedge.report.wording import Thresholds
from dfedge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class StopView:
    """One dot and the time in the source it stands for."""

    dot: DotView
    seconds: float


@dataclass(frozen=True, slots=True)
class LineView:
    """One person's line and stops."""

    name: str
    colour: str
    lines: tuple[str, ...]
    stops: tuple[StopView, ...]


@dataclass(frozen=True, slots=True)
class PlotView:
    """The plot and its lines, the most suspicious person first."""

    plot: TimelineView
    lines: tuple[LineView, ...]
    some_ignored: bool


def plot_view(verdict: Verdict, thresholds: Thresholds) -> PlotView | None:
    """The plot of a source with more than one sampled frame and a face; None without."""
    plot = timeline_view(verdict, thresholds, 1)
    if plot is None:
        return None
    lines = tuple(
        LineView(
            series.name,
            series.colour,
            series.lines,
            tuple(
                StopView(dot, observation.pts_seconds)
                for dot, observation in zip(series.dots, track.observations, strict=True)
            ),
        )
        for series, track in zip(plot.series, by_suspicion(verdict), strict=True)
    )
    ignored = any(not stop.dot.counts for line in lines for stop in line.stops)
    return PlotView(plot, lines, ignored)
