"""The words a verdict is told in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dfedge.report.wording import (
    Thresholds,
    clock,
    count,
    describe_frames,
    describe_source,
    explain,
    percent,
    printable,
)
from dfedge.verdict import Opinion

THRESHOLDS = Thresholds(real=0.2, fake=0.8)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "<0.1%"),
        (0.0123, "1.2%"),
        (0.05, "5%"),
        (0.5, "50%"),
        (0.914, "91%"),
        (0.987, "98.7%"),
        (1.0, ">99.9%"),
    ],
)
def test_a_probability_never_claims_certainty(probability: float, text: str) -> None:
    """A decimal only near the ends, and no 0% or 100%."""
    assert percent(probability) == text


@pytest.mark.parametrize(
    ("seconds", "tenths", "text"),
    [
        (0.0, False, "0:00"),
        (59.6, False, "1:00"),
        (59.96, True, "1:00.0"),
        (83.44, True, "1:23.4"),
        (3723.0, False, "1:02:03"),
    ],
)
def test_time_is_minutes_and_seconds(seconds: float, tenths: bool, text: str) -> None:
    """Rounding carries over: there is no 0:60."""
    assert clock(seconds, tenths=tenths) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("clip é 漢字.mp4", "clip é 漢字.mp4"),
        ("\x1b[31mred.mp4", "\\x1b[31mred.mp4"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("two\nlines", "two\\nlines"),
        ("\udcff.mp4", "\\udcff.mp4"),
    ],
)
def test_a_name_cannot_steer_the_terminal_or_the_reading_direction(name: str, shown: str) -> None:
    """Control, direction and undecodable characters become visible escapes."""
    assert printable(name) == shown


def test_the_score_is_set_against_the_threshold_of_its_label(analysis_maker: Any) -> None:
    """FAKE names the fake threshold, REAL the real one, the unsure band both."""
    sentences = [
        explain(analysis_maker.analysis("c.mp4", [score] * 4).verdict, THRESHOLDS)[0]
        for score in (0.9, 0.1, 0.5)
    ]
    start = "The model puts the probability that the face is fake at"
    assert sentences == [
        f"{start} 90%; from 80% on it says FAKE.",
        f"{start} 10%; up to 20% it says REAL.",
        f"{start} 50%, in its unsure band between 20% and 80%.",
    ]


def test_a_high_score_on_bad_frames_is_said_not_to_count(analysis_maker: Any) -> None:
    """The reasons that spoil it follow the score."""
    verdict = analysis_maker.analysis("c.mp4", [0.9] * 4, blurred=range(4)).verdict
    score, *spoiled = explain(verdict, THRESHOLDS)
    assert score.endswith("is fake at 90%, but that score cannot be relied on here.")
    assert spoiled == [
        "Too few frames show the face well enough.",
        "The face is too blurred to judge.",
    ]


def test_no_face_is_one_sentence_without_a_number(analysis_maker: Any) -> None:
    """Nothing was scored, so no score is told."""
    verdict = analysis_maker.analysis("c.jpg", kind="image").verdict
    assert explain(verdict, THRESHOLDS) == ("No face was found.",)


def test_the_source_is_described_in_a_line(analysis_maker: Any) -> None:
    """Kind, size, length, and how many frames were looked at."""
    verdict = analysis_maker.analysis("c.mp4", [0.9] * 24 + [None]).verdict
    assert (
        describe_source(verdict.source)
        == "Video, 640 x 360, 0:12, 25 frames looked at, 24 with a face"
    )
    picture = analysis_maker.analysis("c.jpg", [0.9], kind="image").verdict
    assert describe_source(picture.source) == "Picture, 640 x 360"


def test_frames_that_do_not_count_are_told(analysis_maker: Any) -> None:
    """All, some or a single one."""
    all_count = analysis_maker.analysis("c.mp4", [0.9] * 4).verdict.tracks[0]
    some = analysis_maker.analysis("c.mp4", [0.9] * 4, blurred=[1]).verdict.tracks[0]
    assert describe_frames(all_count) == "4 frames, all count"
    assert describe_frames(some) == "3 of 4 frames count"
    assert (count(1, "person", "people"), count(2, "person", "people")) == ("1 person", "2 people")


def test_several_opinions_speak_together(analysis_maker: Any) -> None:
    """A fused score is said to be that of the models together, not of one."""
    verdict = analysis_maker.analysis("c.mp4", [0.9] * 4).verdict
    heard = tuple(
        Opinion(model=name, tier="heavy", label=verdict.label, fake_probability=0.9)
        for name in ("one", "other")
    )
    fused = msgspec.structs.replace(verdict, opinions=heard)
    assert explain(fused, THRESHOLDS)[0] == (
        "The models together put the probability that the face is fake at 90%; "
        "from 80% on they say FAKE."
    )
