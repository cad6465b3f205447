"""Frames put together to videos and people, by the rules of the SDK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dfedge.bundles.card import Decision, OperatingPoint
from dfedge.verdict import Label, Reason
from dfedge_tools.evaluating.scores import Labelled, ScoreTable
from dfedge_tools.evaluating.units import (
    NO_CARD,
    frame_units,
    identity_units,
    judge_videos,
    video_units,
)

from .conftest import row

BAND = Decision(
    calibration=NO_CARD.calibration,
    fake=OperatingPoint(threshold=0.8, meaning="by hand"),
    real=OperatingPoint(threshold=0.2, meaning="by hand"),
    quality=NO_CARD.quality,
    min_usable_frames=2,
)


def test_a_video_is_the_mean_of_its_frames_that_count() -> None:
    """A blurred frame is left out where others count, and alone it stands, but UNCERTAIN."""
    blurred = replace(row("v", 1, -9.0, frame=2), issues=(Reason.TOO_BLURRY,))
    frames = (row("v", 1, 2.0), row("v", 1, 4.0, frame=1), blurred)
    (video,) = judge_videos(ScoreTable(frames), BAND)
    assert (3.0, Label.FAKE, 3, 2) == (video.logit, video.label, video.frames, video.usable)
    (alone,) = judge_videos(ScoreTable((blurred,)), BAND)
    assert (-9.0, Label.UNCERTAIN) == (alone.logit, alone.label)


def test_labels_are_those_of_the_card() -> None:
    """Both thresholds, too few frames of a clip, one frame of a still, and no face at all."""
    frames = (
        *(row("fake", 1, 3.0, frame=n) for n in range(2)),
        *(row("unsure", 1, 0.0, frame=n) for n in range(2)),
        *(row("real", 0, -3.0, frame=n) for n in range(2)),
        row("short", 1, 3.0),
        row("still", 0, 3.0, split="held"),
    )
    lost = (
        Labelled("short", 1, "Deepfakes", "c23", "ffpp", "val", frame=1),
        Labelled("none", 1, "Deepfakes", "c23", "ffpp", "val"),
    )
    called = {
        video.first.video_id: video.label.value
        for video in judge_videos(ScoreTable(frames, lost), BAND)
    }
    expected = {"fake": "FAKE", "unsure": "UNCERTAIN", "real": "REAL", "short": "UNCERTAIN"}
    assert {**expected, "still": "FAKE", "none": "NO_FACE"} == called


def test_the_worst_frame_speaks_against_the_truth() -> None:
    """Of a fake the lowest score, of a genuine video the highest."""
    frames = [row(name, label, x, frame=n) for n, x in enumerate((0.5, 2.0))
              for name, label in (("f", 1), ("r", 0))]  # fmt: skip
    worst = {v.first.video_id: v.worst for v in judge_videos(ScoreTable(tuple(frames)), NO_CARD)}
    assert worst["f"] is not None
    assert worst["r"] is not None
    assert (0.5, 2.0) == (worst["f"].logit, worst["r"].logit)


def test_people_are_counted_once_a_class() -> None:
    """Two fakes of one person are one unit with their mean; who is not known is left out."""
    frames = (
        row("a1", 1, 1.0, identity="a"),
        row("a2", 1, 3.0, identity="a"),
        row("a0", 0, -1.0, identity="a"),
        row("b0", 0, 0.5, identity="b"),
        row("x", 1, 9.0),
    )
    videos = judge_videos(ScoreTable(frames), NO_CARD)
    people = identity_units(videos, NO_CARD)
    assert [(0, -1.0), (0, 0.5), (1, 2.0)] == sorted(
        zip(people.labels.tolist(), people.scores.tolist(), strict=True)
    )
    assert people.groups[0] == people.groups[1] != people.groups[2]
    assert 5 == len(video_units(videos))


def test_without_a_card_one_half_decides() -> None:
    """P(fake) is the sigmoid of the score, and there is no unsure band."""
    frames = (row("f", 1, 0.0), row("r", 0, -0.1))
    videos = judge_videos(ScoreTable(frames), NO_CARD)
    assert ["FAKE", "REAL"] == [video.label.value for video in videos]
    assert pytest.approx([0.5, 0.4750208]) == frame_units(frames, NO_CARD).probabilities.tolist()


def test_equal_names_of_two_sources_are_two() -> None:
    """Neither videos nor people of two data sets are mixed up."""
    frames = (
        row("000", 1, 1.0, source="dfd", identity="7"),
        row("000", 1, 3.0, source="kodf", identity="7"),
    )
    videos = judge_videos(ScoreTable(frames), NO_CARD)
    assert [1.0, 3.0] == [video.logit for video in videos]
    assert [0, 1] == sorted(identity_units(videos, NO_CARD).groups.tolist())
