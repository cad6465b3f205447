"""The geometry of the score timeline."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dfedge.report.timeline import TimelineView, timeline_view
from dfedge.report.wording import Thresholds


def view(analysis: Any) -> TimelineView:
    """The plot of an analysis, which must have one."""
    timeline = timeline_view(analysis.verdict, Thresholds(real=0.2, fake=0.8), 1)
    assert timeline is not None
    return timeline


def test_dots_stand_where_time_and_score_say(analysis_maker: Any) -> None:
    """x is the share of the duration, y falls as P(fake) rises."""
    timeline = view(analysis_maker.analysis("c.mp4", [0.25, 0.5, 0.9], duration_seconds=4.0))
    assert [(dot.x, dot.y) for dot in timeline.series[0].dots] == [
        (0.0, 75.0),
        (12.5, 50.0),
        (25.0, 10.0),
    ]
    assert (timeline.fake_y, timeline.real_y) == (20.0, 80.0)


def test_a_frame_that_does_not_count_is_a_hollow_dot_that_says_why(analysis_maker: Any) -> None:
    """The reason stands in the text that hovering shows."""
    timeline = view(analysis_maker.analysis("c.mp4", [0.5] * 4, blurred=[1]))
    assert [dot.counts for dot in timeline.series[0].dots] == [True, False, True, True]
    assert timeline.series[0].dots[1].description == (
        "Person 1 at 0:00.5: P(fake) 50%, not counted: The face is too blurred to judge."
    )


def test_a_line_breaks_where_the_person_is_away(analysis_maker: Any) -> None:
    """One missed frame is bridged, three are not; a lone dot has no line."""
    scores = [0.5, None, 0.5, None, None, None, 0.5, 0.5, None, None, 0.5]
    timeline = view(analysis_maker.analysis("c.mp4", scores, [0.4] * 11, duration_seconds=10.0))
    person = next(series for series in timeline.series if series.name == "Person 1")
    assert person.lines == ("0.0,50.0 10.0,50.0", "30.0,50.0 35.0,50.0")
    assert len(person.dots) == 5


@pytest.mark.parametrize(
    ("duration", "labels"),
    [
        (2.0, ["0:00.0", "0:00.5", "0:01.0", "0:01.5", "0:02.0"]),
        (12.4, ["0:00", "0:02", "0:04", "0:06", "0:08", "0:10", "0:12"]),
        (3600.0, ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]),
    ],
)
def test_the_time_axis_has_a_few_round_times(
    analysis_maker: Any, duration: float, labels: list[str]
) -> None:
    """In m:ss, whatever the length."""
    timeline = view(analysis_maker.analysis("c.mp4", [0.5] * 3, duration_seconds=duration))
    assert [label for _, label in timeline.ticks] == labels
    assert all(0 <= x <= 100 for x, _ in timeline.ticks)


@pytest.mark.parametrize(
    ("real", "fake", "levels"),
    [
        (0.2, 0.8, [(0.0, "100%"), (20.0, "80%"), (80.0, "20%"), (100.0, "0%")]),
        (0.03, 0.97, [(3.0, "97.0%"), (97.0, "3.0%")]),
        (0.49, 0.51, [(0.0, "100%"), (45.5, "51%"), (54.5, "49%"), (100.0, "0%")]),
    ],
)
def test_labels_of_the_score_axis_never_touch(
    analysis_maker: Any, real: float, fake: float, levels: list[tuple[float, str]]
) -> None:
    """Thresholds are always labelled; the ends only where there is room."""
    verdict = analysis_maker.analysis("c.mp4", [0.5] * 4).verdict
    timeline = timeline_view(verdict, Thresholds(real=real, fake=fake), 1)
    assert timeline is not None
    assert list(timeline.levels) == [(pytest.approx(y), label) for y, label in levels]
    heights = [y for y, _ in timeline.levels]
    assert all(lower - upper >= 9 for upper, lower in itertools.pairwise(heights))


def test_without_a_known_duration_the_axis_spans_what_was_seen(analysis_maker: Any) -> None:
    """A stream of unknown length still fills the plot."""
    timeline = view(analysis_maker.analysis("s", [0.5] * 3, kind="stream"))
    assert [dot.x for dot in timeline.series[0].dots] == [0.0, 50.0, 100.0]


def test_the_plot_is_told_in_words_and_as_a_table(analysis_maker: Any) -> None:
    """For those who cannot see it: the range, the peak, the thresholds, and every score."""
    timeline = view(analysis_maker.analysis("c.mp4", [0.25, 0.9, None, 0.5]))
    assert timeline.description == (
        "P(fake) of 3 sampled frames with a face, from 25% to 90% (highest at 0:00.5); "
        "1 of them reach the threshold for FAKE at 80%. REAL is at or under 20%."
    )
    assert [(row.time, row.score) for row in timeline.rows] == [
        ("0:00.0", "25%"),
        ("0:00.5", "90%"),
        ("0:01.0", "no face"),
        ("0:01.5", "50%"),
    ]


def test_a_picture_or_a_source_without_faces_has_no_timeline(analysis_maker: Any) -> None:
    """There is nothing to plot."""
    thresholds = Thresholds(real=0.2, fake=0.8)
    picture = analysis_maker.analysis("c.jpg", [0.5], kind="image")
    empty = analysis_maker.analysis("c.mp4", [None, None, None])
    assert timeline_view(picture.verdict, thresholds, 1) is None
    assert timeline_view(empty.verdict, thresholds, 1) is None


def test_the_person_who_decides_has_the_first_colour(analysis_maker: Any) -> None:
    """Colours go by suspicion; from the seventh person on all are grey."""
    people = [[0.1 + 0.1 * number] * 4 for number in range(8)]
    timeline = view(analysis_maker.analysis("c.mp4", *people))
    assert (timeline.series[0].name, timeline.series[0].colour) == ("Person 8", "p0")
    assert [series.colour for series in timeline.series[5:]] == ["p5", "other", "other"]
