"""The main job on whole FaceForensics++ clips, as a user would run it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from dfedge import Verdict
from dfedge.cli import main


@pytest.fixture(scope="module")
def verdicts(shared_data: Path) -> list[Verdict]:
    """What ``dfedge detect clips/*.mp4 --json`` prints, read back."""
    clips = sorted(str(clip) for clip in (shared_data / "clips").glob("*.mp4"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["detect", *clips, "--json", "--quiet"])
    assert code == 0
    lines = printed.getvalue().splitlines()
    assert len(lines) == len(clips) == 15
    assert all(json.loads(line)["schema"] == "dfedge.verdict/1" for line in lines)
    return [Verdict.from_json(line) for line in lines]


def test_every_clip_gets_a_verdict_with_a_number(verdicts: list[Verdict]) -> None:
    """Each clip shows a person, so each has a probability."""
    assert [verdict.source.name for verdict in verdicts if verdict.fake_probability is None] == []


def test_faces_are_found_in_nearly_every_sampled_frame(verdicts: list[Verdict]) -> None:
    """At least 99% of all sampled frames show a face that was found."""
    sampled = sum(verdict.source.frames_sampled for verdict in verdicts)
    found = sum(verdict.source.frames_with_face for verdict in verdicts)
    assert sampled == 15 * 20
    assert found >= 0.99 * sampled


def test_the_person_stays_one_track(verdicts: list[Verdict]) -> None:
    """These clips show one speaker: identity carries over all sampled frames."""
    tracks = {Path(verdict.source.name).name: len(verdict.tracks) for verdict in verdicts}
    assert {name: count for name, count in tracks.items() if count != 1} == {}
