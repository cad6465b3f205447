"""The command with the real media, faces and runtime, and a tiny model in a trained one's place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from dfedge.cli import main
from dfedge.types import Image
from dfedge.verdict import Verdict


@pytest.fixture
def model(bundle_maker: Any) -> str:
    """The folder of a tiny detector that takes BlazeFace's boxes."""
    crop = {**bundle_maker.detector_card()["crop"], "box_source": "blazeface-full-range"}
    return str(bundle_maker.detector(crop=crop))


def test_clip_picture_and_broken_file(
    model: str,
    portrait: Image,
    portrait_clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Verdicts with exact times for what can be read, a failure for what cannot, one report."""
    picture, broken = tmp_path / "portrait.png", tmp_path / "broken.mp4"
    Pictures.fromarray(portrait).save(picture)
    broken.write_text("not a video")
    report = tmp_path / "r.html"
    sources = [str(portrait_clip), str(picture), str(broken)]
    options = ["--model", model, "--frames", "5", "--threads", "1", "--report", str(report)]
    assert main(["detect", *sources, "--json", *options]) == 3
    lines = capsys.readouterr().out.splitlines()
    clip, still = (Verdict.from_json(line) for line in lines[:2])
    assert [len(track.observations) for track in clip.tracks] == [5]
    assert [point.fake_probability for point in clip.timeline] == [
        observation.fake_probability for observation in clip.tracks[0].observations
    ]
    assert (still.source.kind, len(still.tracks)) == ("image", 1)
    assert json.loads(lines[2])["source"] == str(broken)
    html = report.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 6
    assert len(html) < 200_000


def test_watch_plays_a_file_in_real_time(
    model: str, portrait_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A two-second clip gives a verdict after about a second, and a summary."""
    options = ["--model", model, "--threads", "1", "--fps", "5", "--json"]
    assert main(["watch", str(portrait_clip), *options]) == 0
    out, err = capsys.readouterr()
    verdicts = [Verdict.from_json(line) for line in out.splitlines()]
    assert verdicts
    assert all(verdict.source.sampling == "live" for verdict in verdicts)
    assert err.startswith("Watched 0:0")


@pytest.mark.parametrize("arguments", [["detect", "{clip}"], ["models", "show", "{model}"]])
def test_as_a_process(model: str, portrait_clip: Path, arguments: list[str]) -> None:
    """Text on stdout, nothing on stderr in a pipe, code 0."""
    words = [word.format(clip=portrait_clip, model=model) for word in arguments]
    options = ["--model", model, "--threads", "1"] if "detect" in words else []
    done = subprocess.run(
        [sys.executable, "-m", "dfedge", *words, *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "tiny-detector" in done.stdout
