"""``dfedge watch``: live verdicts and the summary at the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dfedge.cli import main
from dfedge.errors import MediaAccessError


@pytest.fixture
def three(fake_detector: Any, analysis_maker: Any) -> list[Any]:
    """Verdicts REAL, UNCERTAIN, FAKE, as the stream gives them."""
    fake_detector.live = [
        analysis_maker.analysis("camera", [score] * 4, kind="stream").verdict
        for score in (0.1, 0.5, 0.9)
    ]
    return fake_detector.live  # type: ignore[no-any-return]


def test_a_line_a_verdict_and_a_summary(
    three: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe every verdict is a line of its own; the summary is on stderr."""
    assert main(["watch", "clip.mp4"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "   0:02  REAL      P(fake)    10%  1 person   ▁▁▁▁",
        "   0:02  UNCERTAIN P(fake)    50%  1 person   ▅▅▅▅",
        "   0:02  FAKE      P(fake)    90%  1 person   ████",
    ]
    assert err == (
        "Watched 0:00, 3 verdicts: REAL 1, UNCERTAIN 1, FAKE 1. "
        "Highest P(fake) 90% at 0:02 (FAKE from 80%).\n"
    )


def test_json_lines(three: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """One dfedge.verdict/1 a line."""
    assert main(["watch", "clip.mp4", "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["label"] for document in documents] == ["REAL", "UNCERTAIN", "FAKE"]


def test_a_number_is_a_webcam(three: list[Any], fake_detector: Any) -> None:
    """Everything else goes on as text; --fps is passed on."""
    main(["watch", "0", "--fps", "4"])
    main(["watch", "rtsp://camera/1"])
    assert fake_detector.streamed == [(0, 4.0), ("rtsp://camera/1", 2.0)]


def test_ctrl_c_is_the_usual_end(
    three: list[Any], fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Summary, closed detector, code 0."""
    fake_detector.live = [*three[:2], KeyboardInterrupt()]
    assert main(["watch", "0"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "2 verdicts: REAL 1, UNCERTAIN 1." in err
    assert fake_detector.closed == 1


def test_seconds_end_it(three: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """No verdict is taken after the time is over."""
    assert main(["watch", "0", "--seconds", "0.000001"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_source_that_breaks_off_ends_with_3(
    three: list[Any], fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was seen is summed up, then the problem is named."""
    fake_detector.live = [three[0], MediaAccessError("rtsp://camera/1", "the stream broke off")]
    assert main(["watch", "rtsp://camera/1"]) == 3
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("Watched 0:00, 1 verdict: REAL 1.")
    assert err[1] == "dfedge: rtsp://camera/1: the stream broke off"


def test_nothing_seen_is_said(fake_detector: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A source that ends before the first verdict."""
    assert main(["watch", "0"]) == 0
    assert capsys.readouterr().err == "Watched 0:00; no verdict yet.\n"


def test_no_face_has_no_number(
    fake_detector: Any, analysis_maker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty room is NO_FACE."""
    fake_detector.live = [analysis_maker.analysis("s", [None] * 3, kind="stream").verdict]
    main(["watch", "0"])
    assert capsys.readouterr().out == "   0:01  NO_FACE   No face found\n"


@pytest.mark.parametrize("options", [[], ["0", "--fps", "0"], ["0", "--seconds", "-1"]])
def test_wrong_usage_ends_with_2(options: list[str], fake_detector: Any) -> None:
    """Before a detector is opened."""
    assert main(["watch", *options]) == 2
    assert fake_detector.opened == []
