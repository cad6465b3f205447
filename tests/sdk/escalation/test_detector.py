"""A detector that asks a server in a thread: real media, faces and runtime, a tiny model."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as Pictures

from dfedge import Detector, EscalationOptions, Label, Progress, Reason, Success
from dfedge.errors import UsageError
from dfedge.escalation.wire import CROP_SCALE, State
from dfedge.media import open_media
from dfedge.types import Image

from .conftest import ID, Request, Script, escalation, judged, judges, refuses, says

KEY = "dfe_0123_secret"
OpenDetector = Callable[..., Detector]


@pytest.fixture
def open_detector(bundle_maker: Any, script: Script) -> Iterator[OpenDetector]:
    """``open_detector(**options)``: a tiny detector, never sure, that escalates to the script."""
    card = bundle_maker.detector_card()
    decision = card["decision"] | {
        "min_usable_frames": 1,
        "real": {"threshold": 0.0001, "meaning": "none"},
        "fake": {"threshold": 0.9999, "meaning": "none"},
    }
    crop = card["crop"] | {"box_source": "blazeface-full-range"}
    model = bundle_maker.detector(crop=crop, decision=decision)
    opened: list[Detector] = []

    def open_one(**options: Any) -> Detector:
        asked = EscalationOptions(script.url, **options)
        opened.append(Detector(model, threads=1, frames=4, escalate=asked, api_key=KEY))
        return opened[-1]

    yield open_one
    for detector in opened:
        detector.close()


def test_an_unsure_verdict_is_fused(
    open_detector: OpenDetector, script: Script, portrait_clip: Path
) -> None:
    """Both opinions are kept, and the analysis says where it was asked and by which thresholds."""
    script.answers = [judges]
    analysis = open_detector().analyze(portrait_clip)
    verdict, came = analysis.verdict, analysis.escalation
    assert (verdict.label, verdict.fake_probability) == (Label.FAKE, 0.9)
    assert [opinion.tier for opinion in verdict.opinions] == ["edge", "heavy"]
    assert verdict.source.name == str(portrait_clip)
    assert came is not None
    assert (came.href, came.problem) == (f"{script.url}/v1/escalations/{ID}", "")
    assert came.notes == ("No heavier model is installed.",)
    assert came.thresholds is not None
    assert (came.thresholds.real, came.thresholds.fake) == (0.3, 0.7)


def test_the_crops_are_the_clips_own_pixels(
    open_detector: OpenDetector, script: Script, portrait_clip: Path
) -> None:
    """Lossless, at whole pixels, twice the face, of the frames the verdict speaks of."""
    script.answers = [judges]
    verdict = open_detector().detect(portrait_clip)
    request = script.requests[0]
    with open_media(portrait_clip, frames=4) as reader:
        frames = {frame.index: frame.image for frame in reader}
    crops = request.submission.crops
    assert {crop.frame_index for crop in crops} == frames.keys()
    for crop, observation in zip(crops, verdict.tracks[0].observations, strict=True):
        pixels = np.asarray(Pictures.open(io.BytesIO(request.parts[crop.part])))
        height, width, _ = pixels.shape
        image = frames[crop.frame_index]
        there = image[crop.top : crop.top + height, crop.left : crop.left + width]
        assert np.array_equal(pixels, there)
        side = max(crop.box[2] - crop.box[0], crop.box[3] - crop.box[1])
        assert height <= CROP_SCALE * side + 2
        assert crop.pts_seconds == observation.pts_seconds
        box = observation.box
        told = (box.left, box.top, box.right, box.bottom)
        assert crop.box == pytest.approx(told, abs=0.01)


def test_the_server_learns_no_name_and_no_key_but_in_the_header(
    open_detector: OpenDetector, script: Script, portrait_clip: Path
) -> None:
    """Unless the name is to be sent, and then without its folder."""
    script.answers = [judges]
    open_detector().detect(portrait_clip)
    open_detector(send_name=True, keep=False).detect(portrait_clip)
    nameless, named = script.requests
    assert portrait_clip.name.encode() not in nameless.body
    assert (named.submission.name, named.submission.keep) == (portrait_clip.name, False)
    for request in script.requests:
        assert str(portrait_clip.parent).encode() not in request.body
        assert KEY.encode() not in request.body


def test_a_clip_is_sent_only_when_asked_for(
    open_detector: OpenDetector, script: Script, portrait_clip: Path, portrait: Image
) -> None:
    """The file as it is; crops of what is no file."""
    script.answers = [judges]
    detector = open_detector(what="clip")
    detector.detect(portrait_clip, sampling="scene")
    detector.detect(portrait)
    clip, crops = script.requests
    assert clip.parts["clip"] == portrait_clip.read_bytes()
    assert (clip.submission.kind, clip.submission.frames) == ("clip", 4)
    assert clip.submission.sampling == "scene"
    assert crops.submission.kind == "crops"


def test_a_sure_verdict_stays_here(bundle_maker: Any, script: Script, portrait: Image) -> None:
    """Nothing is sent unless all verdicts are to be."""
    decision = bundle_maker.detector_card()["decision"] | {
        "min_usable_frames": 1,
        "real": {"threshold": 0.001, "meaning": "none"},
        "fake": {"threshold": 0.002, "meaning": "none"},
    }
    crop = bundle_maker.detector_card()["crop"] | {"box_source": "blazeface-full-range"}
    model = bundle_maker.detector(crop=crop, decision=decision)
    script.answers = [judges]
    with Detector(model, threads=1, escalate=script.url, api_key=KEY) as detector:
        analysis = detector.analyze(portrait)
    assert analysis.verdict.label is Label.FAKE
    assert (analysis.escalation, script.requests) == (None, [])
    always = EscalationOptions(script.url, when="always")
    with Detector(model, threads=1, escalate=always, api_key=KEY) as detector:
        assert detector.analyze(portrait).escalation is not None
    assert len(script.requests) == 1


def test_no_face_stays_here(open_detector: OpenDetector, script: Script) -> None:
    """There is nothing to ask about."""
    script.answers = [judges]
    grey = np.full((240, 320, 3), 127, np.uint8)
    assert open_detector(when="always").detect(grey).label is Label.NO_FACE
    assert script.requests == []


def test_a_face_that_cannot_be_seen_stays_here(
    open_detector: OpenDetector, script: Script, portrait: Image
) -> None:
    """Without a usable frame there is nothing to send, and that is said."""
    script.answers = [judges]
    dark = (portrait // 16).astype(np.uint8)
    analysis = open_detector().analyze(dark)
    assert analysis.verdict.label is Label.UNCERTAIN, "the face is found"
    assert analysis.escalation is not None
    assert "nothing was sent" in analysis.escalation.problem
    assert Reason.ESCALATION_FAILED not in analysis.verdict.reasons
    assert script.requests == []


def _lies(handler: BaseHTTPRequestHandler, request: Request) -> None:
    device = request.submission.device_verdict
    assert device is not None
    says(escalation(verdict=replace(judged(device), opinions=())))(handler, request)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refuses(401), "does not know the key"),
        (refuses(413), "too large"),
        (refuses(500), "refused"),
        (says("{}"), "did not answer as an escalation server does"),
        (says(escalation(State.DONE)), "gives no verdict"),
        (says(escalation(State.CANCELLED)), "cancelled the work"),
        (
            says(
                escalation(
                    State.FAILED,
                    problem={"title": "t", "status": 422, "detail": "no face", "code": "c"},
                )
            ),
            "failed: no face",
        ),
        (_lies, "no opinion of its own"),
    ],
)
def test_without_an_answer_the_devices_verdict_is_given(
    open_detector: OpenDetector, script: Script, portrait: Image, answer: Any, words: str
) -> None:
    """With one reason more, and why in words."""
    script.answers = [answer]
    analysis = open_detector().analyze(portrait)
    assert analysis.verdict.label is Label.UNCERTAIN
    assert analysis.verdict.reasons[-1] is Reason.ESCALATION_FAILED
    assert [opinion.tier for opinion in analysis.verdict.opinions] == ["edge"]
    assert analysis.escalation is not None
    assert words in analysis.escalation.problem


def test_the_next_source_is_looked_at_while_the_server_works(
    open_detector: OpenDetector, script: Script, portrait: Image
) -> None:
    """The first answer is held back until the second submission is there; order is kept."""
    second_came = threading.Event()

    def first(handler: BaseHTTPRequestHandler, request: Request) -> None:
        assert second_came.wait(60)
        judges(handler, request)

    def second(handler: BaseHTTPRequestHandler, request: Request) -> None:
        second_came.set()
        judges(handler, request)

    script.answers = [first, second]
    detector = open_detector()
    results = list(detector.detect_many([portrait[:400], portrait]))
    assert [result.verdict.source.height for result in results if isinstance(result, Success)] == [
        400,
        512,
    ]
    assert {result.verdict.label for result in results if isinstance(result, Success)} == {
        Label.FAKE
    }


def test_a_refused_key_is_not_tried_again_for_each_source(
    open_detector: OpenDetector, script: Script, portrait: Image
) -> None:
    """All get the device's verdict with the reason; the server is spared."""
    script.answers = [refuses(403)]
    detector = open_detector()
    problems = [detector.analyze(portrait).escalation for _ in range(3)]
    assert all(came is not None and "does not allow" in came.problem for came in problems)
    assert len(script.requests) == 1


@pytest.mark.parametrize("many", [False, True])
def test_an_interruption_cancels_the_servers_job(
    open_detector: OpenDetector, script: Script, portrait: Image, many: bool
) -> None:
    """Ctrl-C while the server works ends here and there."""
    script.answers = [says(escalation(State.QUEUED), 202), says(escalation(State.RUNNING))]
    detector = open_detector()

    def interrupt(progress: Progress) -> None:
        if progress.stage == "server" and len(script.requests) > 1:
            raise KeyboardInterrupt

    def run() -> None:
        if many:
            list(detector.detect_many([portrait], progress=interrupt))
        else:
            detector.analyze(portrait, progress=interrupt)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert script.seen()[-1] == ("POST", f"/v1/escalations/{ID}/cancel")


def test_a_detector_without_a_key_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake is told before any model is loaded."""
    monkeypatch.delenv("DFEDGE_API_KEY", raising=False)
    with pytest.raises(UsageError, match="DFEDGE_API_KEY"):
        Detector("no-such-model", escalate="https://dfedge.example.org")


def test_a_detector_that_asks_nobody_loads_no_client() -> None:
    """``from dfedge import Detector`` costs what it cost before."""
    code = "import sys; from dfedge import Detector; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "dfedge.detector" in done.stdout.split()
    assert {"dfedge.escalation.client", "dfedge.escalation.http"} & set(
        done.stdout.split()
    ) == set()
