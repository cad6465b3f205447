"""Detectors of clips and of whole frames, from end to end with tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfedge import Detector, Label, Reason, Verdict
from dfedge.cli import main
from dfedge.errors import BundleFormatError, UsageError
from dfedge.types import Image

FACES, FRAME = "blazeface-full-range", "whole-frame"
EAGER = {
    "fake": {"threshold": 0.5001, "meaning": "test"},
    "real": {"threshold": 0.4999, "meaning": ""},
}
"""Thresholds that leave next to nothing uncertain."""


def decided(bundle_maker: Any, **fields: Any) -> dict[str, Any]:
    """A decision with hardly any unsure band."""
    return {**bundle_maker.detector_card()["decision"], **EAGER, "min_usable_frames": 1, **fields}


def open_clip(bundle_maker: Any, *, frames: int = 4, box_source: str = FACES) -> Detector:
    """A detector of a tiny model that takes several frames at once."""
    bundle = bundle_maker.clip_detector(
        frames, box_source=box_source, decision=decided(bundle_maker)
    )
    return Detector(bundle, device="cpu", threads=1)


@pytest.fixture(params=[FACES, FRAME])
def detector(request: pytest.FixtureRequest, bundle_maker: Any) -> Iterator[Detector]:
    """Of face crops, and of whole frames."""
    with open_clip(bundle_maker, box_source=request.param) as detector:
        yield detector


@pytest.fixture
def faceless_clip(tmp_path: Path) -> Path:
    """A second of grey."""
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        grey = np.full((240, 320, 3), 127, np.uint8)
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_every_frame_carries_the_score_of_its_clip(detector: Detector, portrait_clip: Path) -> None:
    """The person is judged by one score, and the verdict is a valid document."""
    verdict = detector.detect(portrait_clip, frames=8)
    (track,) = verdict.tracks
    assert len({observation.logit for observation in track.observations}) == 1
    assert track.fake_probability == pytest.approx(track.observations[0].fake_probability, abs=1e-5)
    assert verdict.label in (Label.FAKE, Label.REAL)
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_picture_is_no_clip(detector: Detector, portrait: Image) -> None:
    """UNCERTAIN for too few frames: a picture is not repeated to look like a clip."""
    verdict = detector.detect(portrait)
    assert (verdict.label, verdict.reasons) == (Label.UNCERTAIN, (Reason.TOO_FEW_FRAMES,))


def test_fewer_than_half_of_the_frames_are_too_few(bundle_maker: Any, portrait_clip: Path) -> None:
    """Half of them are enough."""
    with open_clip(bundle_maker, frames=6) as detector:
        assert Reason.TOO_FEW_FRAMES in detector.detect(portrait_clip, frames=2).reasons
        assert Reason.TOO_FEW_FRAMES not in detector.detect(portrait_clip, frames=3).reasons


def test_a_clip_without_faces_has_no_number(detector: Detector, faceless_clip: Path) -> None:
    """Whole frames can be scored, but the verdict speaks of faces."""
    verdict = detector.detect(faceless_clip)
    assert (verdict.label, verdict.fake_probability) == (Label.NO_FACE, None)


def test_at_least_as_many_frames_are_looked_at_as_the_model_takes(
    bundle_maker: Any, portrait_clip: Path
) -> None:
    """Unless the caller asks for another number."""
    with open_clip(bundle_maker, frames=30) as detector:
        assert detector.detect(portrait_clip).source.frames_sampled == 30
        assert detector.detect(portrait_clip, frames=16).source.frames_sampled == 16
    with open_clip(bundle_maker, frames=12) as detector:
        assert detector.detect(portrait_clip, sampling="fast").source.frames_sampled == 12


def test_a_stream_is_judged_by_rolling_clips(detector: Detector, portrait_clip: Path) -> None:
    """With few frames so far the verdict waits; later there is one."""
    verdicts = list(
        detector.stream(str(portrait_clip), fps=8, window_seconds=1.0, every_seconds=0.4)
    )
    assert verdicts
    assert verdicts[-1].label in (Label.FAKE, Label.REAL)


def test_a_model_of_single_whole_frames(bundle_maker: Any, portrait: Image) -> None:
    """The score is that of the frame, whatever the face; without a face there is none."""
    crop = {**bundle_maker.detector_card()["crop"], "box_source": FRAME}
    with Detector(bundle_maker.detector(crop=crop), device="cpu", threads=1) as detector:
        (track,) = detector.detect(portrait).tracks
        expected = float(np.mean((portrait / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]))
        assert track.observations[0].logit == pytest.approx(expected, abs=0.01)
        grey = np.full((240, 320, 3), 127, np.uint8)
        assert detector.detect(grey).label is Label.NO_FACE


def test_a_face_too_small_does_not_count_for_a_model_of_whole_frames(
    bundle_maker: Any, portrait: Image
) -> None:
    """The card's limits on faces hold, though the model sees the frame."""
    quality = {**decided(bundle_maker)["quality"], "min_face_pixels": 400}
    bundle = bundle_maker.clip_detector(
        4, box_source=FRAME, decision=decided(bundle_maker, quality=quality)
    )
    with Detector(bundle, device="cpu", threads=1) as detector:
        verdict = detector.detect(np.stack([portrait] * 4))
    assert verdict.label is Label.UNCERTAIN
    assert Reason.FACE_TOO_SMALL in verdict.reasons


def test_boxes_of_an_unknown_face_detector_are_refused(bundle_maker: Any) -> None:
    """The model was trained on other crops than would be cut."""
    with pytest.raises(BundleFormatError, match="other-faces"):
        open_clip(bundle_maker, box_source="other-faces")


def test_heat_maps_of_clips_are_refused(bundle_maker: Any, portrait_clip: Path) -> None:
    """Before any frame is read, with the model named."""
    with (
        open_clip(bundle_maker) as detector,
        pytest.raises(UsageError, match="tiny-detector scores 4 frames at once"),
    ):
        detector.analyze(portrait_clip, heatmaps=1)


def test_the_command_refuses_heat_maps_of_clips(
    bundle_maker: Any, portrait_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, the reason in a line, and no report."""
    model = str(bundle_maker.clip_detector(4, box_source=FACES))
    report = tmp_path / "r.html"
    options = ["--model", model, "--threads", "1", "--report", str(report), "--heatmaps", "2"]
    assert main(["detect", str(portrait_clip), *options]) == 2
    assert "heat maps are made for models of single pictures" in capsys.readouterr().err
    assert not report.exists()


@pytest.mark.parametrize("box_source", [FACES, FRAME])
def test_the_command_makes_heat_maps(
    bundle_maker: Any, portrait_clip: Path, tmp_path: Path, box_source: str
) -> None:
    """A model of single pictures gets heat maps, whatever it is cut from, by the command."""
    crop = {**bundle_maker.detector_card()["crop"], "box_source": box_source}
    model = str(bundle_maker.detector(crop=crop))
    report = tmp_path / "r.html"
    options = ["--model", model, "--threads", "1", "--quiet", "--frames", "6"]
    code = main(
        ["detect", str(portrait_clip), *options, "--report", str(report), "--heatmaps", "2"]
    )
    assert code == 0
    text = report.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 6 + 2
    assert text.count('alt="Heat map: Person 1') == 2


@pytest.mark.parametrize("box_source", [FACES, FRAME])
def test_the_command_takes_such_a_model(
    bundle_maker: Any,
    portrait_clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    box_source: str,
) -> None:
    """``dfedge detect --model`` judges a video and writes a report."""
    model = str(bundle_maker.clip_detector(4, box_source=box_source))
    report = tmp_path / "r.html"
    options = ["--model", model, "--threads", "1", "--json", "--report", str(report)]
    assert main(["detect", str(portrait_clip), *options]) == 0
    verdict = Verdict.from_json(capsys.readouterr().out)
    assert (verdict.source.frames_sampled, len(verdict.tracks)) == (20, 1)
    text = report.read_text(encoding="utf-8")
    assert f"looks at 4 {'whole frames' if box_source == FRAME else 'frames of a face'} at" in text
