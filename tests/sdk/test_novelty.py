"""A model that tells how unlike known faces a face is, from its bundle to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfedge import Detector
from dfedge.bundles.bundle import load_bundle
from dfedge.cli import main
from dfedge.errors import BundleFormatError
from dfedge.runtime import open_model
from dfedge.types import Image
from dfedge.verdict import Label, Reason, Verdict

OUT = (Reason.OUT_OF_DISTRIBUTION,)


def test_a_picture_beyond_the_limit_is_uncertain(bundle_maker: Any, portrait: Image) -> None:
    """The number stands in track and frame, and survives the JSON form."""
    with Detector(bundle_maker.wary_detector(0.5)) as detector:
        verdict = detector.detect(portrait)
    assert (Label.UNCERTAIN, OUT, None) == (verdict.label, verdict.reasons, verdict.confidence)
    (track,) = verdict.tracks
    assert track.novelty == track.observations[0].novelty
    assert track.novelty is not None
    assert track.novelty > 0.5
    assert verdict == Verdict.from_json(verdict.to_json())


def test_a_picture_within_the_limit_is_judged_by_its_score(
    bundle_maker: Any, portrait: Image
) -> None:
    """The same number under a wider limit changes nothing."""
    with Detector(bundle_maker.wary_detector(50.0)) as detector:
        verdict = detector.detect(portrait)
    assert Reason.OUT_OF_DISTRIBUTION not in verdict.reasons
    assert verdict.tracks[0].novelty is not None


def test_a_clip_is_judged_by_the_mean_of_its_frames(bundle_maker: Any, portrait_clip: Path) -> None:
    """A limit just under the mean refuses the clip, one just above it does not."""
    with Detector(bundle_maker.wary_detector(50.0)) as detector:
        (track,) = detector.detect(portrait_clip, frames=4).tracks
    assert track.novelty is not None
    mean = np.mean([seen.novelty for seen in track.observations])
    assert pytest.approx(mean, abs=1e-5) == track.novelty
    for factor, refused in ((0.999, True), (1.001, False)):
        bundle = bundle_maker.wary_detector(track.novelty * factor)
        with Detector(bundle) as detector:
            verdict = detector.detect(portrait_clip, frames=4)
        assert refused is (OUT == verdict.reasons)


def test_a_model_without_the_output_has_no_novelty(bundle_maker: Any, portrait: Image) -> None:
    """Old cards stay as they were."""
    card = bundle_maker.detector_card()
    card["crop"] |= {"box_source": "blazeface-full-range"}
    with Detector(bundle_maker.detector(crop=card["crop"])) as detector:
        (track,) = detector.detect(portrait).tracks
    assert (None, None) == (track.novelty, track.observations[0].novelty)


def test_the_command_tells_why(
    bundle_maker: Any, portrait: Image, tmp_path: Path, capsys: Any
) -> None:
    """In the text, in the report, and in what is shown of the model."""
    import cv2

    bundle, picture = bundle_maker.wary_detector(0.5), tmp_path / "face.png"
    cv2.imwrite(str(picture), np.ascontiguousarray(portrait[:, :, ::-1]))
    report = tmp_path / "report.html"
    arguments = ["detect", str(picture), "--model", str(bundle), "--report", str(report)]
    assert 0 == main(arguments)
    assert "unlike those the model was trained on" in capsys.readouterr().out
    page = report.read_text(encoding="utf-8")
    assert "unlike those the model was trained on" in page
    assert "novelty above 0.50: none, a test" in page
    assert 0 == main(["models", "show", str(bundle)])
    assert "novelty > 0.5: none, a test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "message"),
    [("detector_model", "has no output 'novelty'"), ("wide", "its output 'novelty' is")],
)
def test_a_graph_without_the_promised_output_is_refused(
    bundle_maker: Any, model: str, message: str
) -> None:
    """Neither a missing output nor one of another shape passes."""
    folder = bundle_maker.wary_detector(1.0)
    graph = bundle_maker.detector_model() if model != "wide" else bundle_maker.wary_model(size=2)
    card = bundle_maker.detector_card()
    card["decision"] |= {"novelty": {"output": "novelty", "threshold": 1.0, "meaning": "a test"}}
    files = {"model.onnx": graph, "preprocess.onnx": bundle_maker.preprocess()}
    bundle_maker.write(folder, card, files)
    with pytest.raises(BundleFormatError, match=message):
        open_model(load_bundle(folder), device="cpu")


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"output": "logit", "threshold": 1.0}, "which is the output of the logits"),
        ({"output": "novelty", "threshold": 0.0}, "does not fit the card schema"),
    ],
)
def test_an_impossible_limit_is_refused(
    bundle_maker: Any, limit: dict[str, Any], message: str
) -> None:
    """The card contradicts itself, or the threshold is no positive number."""
    decision = bundle_maker.detector_card()["decision"] | {"novelty": limit | {"meaning": "a test"}}
    with pytest.raises(BundleFormatError, match=message):
        load_bundle(bundle_maker.detector(decision=decision))
