"""Clips scored by the SDK's own way: the same numbers as its detector, and what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge import Detector
from dfedge.types import Image
from dfedge.verdict import Reason
from dfedge_tools.evaluating.inputs import Clip, Picture, read_data
from dfedge_tools.evaluating.robustness import SWEEPS
from dfedge_tools.evaluating.scores import Labelled, ScoreTable
from dfedge_tools.evaluating.scoring import BundleScorer, Disturbance
from dfedge_tools.evaluating.units import judge_videos

from .conftest import reddened, save


def _clip(*images: Image) -> Clip:
    known = Labelled("v", 1, "Deepfakes", "c23", "ffpp", "val", path="v.png")
    pictures = tuple(
        Picture(replace(known, frame=number), lambda image=image: image)  # type: ignore[misc]
        for number, image in enumerate(images)
    )
    return Clip(known, pictures)


def _scores(scorer: BundleScorer, *clips: Clip) -> ScoreTable:
    return scorer.score(clips, what="clips", quiet=True)[0]


def test_a_picture_has_the_score_that_detect_gives_it(red_bundle: Path, grey: Image) -> None:
    """Logit, P(fake), label and issues are those of `dfedge.Detector` on the same pixels."""
    image = reddened(grey)
    with Detector(red_bundle, device="cpu") as detector:
        verdict = detector.detect(image)
    with BundleScorer(red_bundle) as scorer:
        table = _scores(scorer, _clip(image))
        (video,) = judge_videos(table, scorer.card.decision)
    (seen,) = verdict.tracks[0].observations
    assert seen.logit == pytest.approx(table.frames[0].logit, abs=1e-6)
    assert verdict.label is video.label
    assert verdict.fake_probability == pytest.approx(video.fake_probability, abs=1e-6)
    assert table.frames[0].face_pixels == pytest.approx(
        min(seen.box.width, seen.box.height), abs=0.02
    )


def test_a_video_has_the_verdict_that_detect_gives_it(
    red_bundle: Path, portrait_clip: Path
) -> None:
    """Frame by frame the observations of the person whose verdict is that of the video."""
    with Detector(red_bundle, device="cpu", frames=4) as detector:
        verdict = detector.detect(portrait_clip)
    known = Labelled("film", 0, "original", "", "here", "")
    with BundleScorer(red_bundle, frames=4) as scorer:
        table = _scores(scorer, Clip(known, video=portrait_clip))
        (video,) = judge_videos(table, scorer.card.decision)
        picture = scorer.picture(Clip(known, video=portrait_clip), table.frames[0])
    seen = verdict.tracks[0].observations
    assert [o.logit for o in seen] == [frame.logit for frame in table.frames]
    assert [o.pts_seconds for o in seen] == [frame.pts_seconds for frame in table.frames]
    assert (verdict.label, verdict.fake_probability) == (video.label, video.fake_probability)
    assert all(frame.sharpness is not None for frame in table.frames)
    assert picture is not None
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is not None


def test_what_cannot_be_judged_is_told(red_bundle: Path, grey: Image) -> None:
    """No face, no number; too dark, an issue by the limits of the card."""
    empty, dark = np.full((96, 96, 3), 128, np.uint8), (grey // 8).astype(np.uint8)
    with BundleScorer(red_bundle) as scorer:
        table = _scores(scorer, _clip(empty, grey, dark))
    assert [0] == [lost.frame for lost in table.faceless]
    assert {1: (), 2: (Reason.TOO_DARK,)} == {f.frame: f.issues for f in table.frames}


def test_unreadable_pictures_are_listed_and_the_rest_is_scored(
    red_bundle: Path, grey: Image, tmp_path: Path
) -> None:
    """A broken file costs its own clip only."""
    save(tmp_path / "real" / "good.png", grey)
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "fake" / "bad.mp4").write_bytes(b"no video")
    with BundleScorer(red_bundle) as scorer:
        clips = read_data(tmp_path).clips
        table, unreadable = scorer.score(clips, what="clips", quiet=True)
    assert ["real/good.png"] == [frame.video_id for frame in table.frames]
    assert [True, True] == ["bad" in problem for problem in unreadable]


def test_disturbances_reach_the_model(red_bundle: Path, grey: Image) -> None:
    """A picture is changed before its face is looked for, a crop is moved after."""
    clip = _clip(grey)
    with BundleScorer(red_bundle) as scorer:
        clean = _scores(scorer, clip).frames[0]
        redder = Disturbance(change=lambda image, _: reddened(image))
        red = scorer.score([clip], redder, what="", quiet=True)[0].frames[0]
        (scale,) = [sweep for sweep in SWEEPS if sweep.kind == "crop scale"]
        wide = scorer.score([clip], scale.make(1.25), what="", quiet=True)[0].frames[0]
    assert red.logit > clean.logit + 1
    assert clean.face_pixels is not None
    assert wide.face_pixels == pytest.approx(1.25 * clean.face_pixels, rel=1e-3)


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.kind)
def test_every_disturbance_keeps_the_size_and_grows(sweep: object, grey: Image) -> None:
    """Odd sides too; a stronger level changes more; the same level changes the same."""
    odd = grey[:161, :177]
    assert hasattr(sweep, "levels")
    assert hasattr(sweep, "make")
    if sweep.kind.startswith("crop"):  # type: ignore[attr-defined]
        return
    changes = []
    for level in (sweep.levels[0], sweep.levels[-1]):
        changed = sweep.make(level).change(odd, 1)
        assert odd.shape == changed.shape
        assert (changed == sweep.make(level).change(odd, 1)).all()
        changes.append(float(np.abs(changed.astype(float) - odd).mean()))
    assert 0 < changes[0] < changes[1]
