"""MediaPipe as a backend: the same boxes as ours on the same pixels, and how it fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from dfedge.bundles import store
from dfedge.errors import MissingExtraError, RuntimeUnavailableError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.faces.blazeface import BlazeFace
from dfedge.faces.mediapipe_backend import MediaPipeFinder
from dfedge.types import Face, Image
from dfedge.verdict import ModelInfo

FRAMES_A_CLIP = 20
INFO = ModelInfo(name="test", version="1.0.0", sha256="0" * 64, role="face_detector")


def open_mediapipe(model: str) -> FaceFinder:
    """MediaPipe Tasks on the ``.tflite`` of a bundle; skips where it cannot be loaded."""
    pytest.importorskip("mediapipe", reason="needs the extra 'mediapipe'")
    try:
        return open_face_finder("mediapipe", model=model)
    except RuntimeUnavailableError as error:
        if "library of the system" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=["full_range", "short_range"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[BlazeFace, FaceFinder]]:
    """Our detector and MediaPipe's on the same weights."""
    theirs = open_mediapipe(f"blazeface-{request.param.replace('_', '-')}")
    yield request.getfixturevalue(request.param), theirs
    theirs.close()


def agree(ours: tuple[Face, ...], theirs: tuple[Face, ...]) -> bool:
    """Whether each face of one is a face of the other at IoU 0.95 or more."""
    return len(ours) == len(theirs) and all(
        max(face.box.iou(other.box) for other in theirs) >= 0.95 for face in ours
    )


def even_frames(path: Path, count: int) -> Iterator[Image]:
    """The given number of evenly spaced frames of a clip, RGB."""
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = {int((index + 0.5) * total / count) for index in range(count)}
    for index in range(total):
        assert capture.grab(), f"{path.name} ends at frame {index}"
        if index in wanted:
            yield cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    capture.release()


def test_boxes_agree_with_mediapipe_on_every_clip(
    pair: tuple[BlazeFace, FaceFinder], shared_data: Path
) -> None:
    """IoU 0.95 or more on 99% of frames of all clips, the same model on the same pixels."""
    ours, theirs = pair
    clips = sorted((shared_data / "clips").glob("*.mp4"))
    assert len(clips) == 15
    agreed = [
        agree(ours.detect(frame), theirs.find(frame))
        for clip in clips
        for frame in even_frames(clip, FRAMES_A_CLIP)
    ]
    assert len(agreed) == FRAMES_A_CLIP * len(clips)
    assert sum(agreed) / len(agreed) >= 0.99


def test_faces_are_found_in_every_clip(finder: FaceFinder, shared_data: Path) -> None:
    """The default finder sees a face in at least 99% of sampled frames."""
    clips = sorted((shared_data / "clips").glob("*.mp4"))
    found = [
        bool(finder.find(frame)) for clip in clips for frame in even_frames(clip, FRAMES_A_CLIP)
    ]
    assert len(found) == FRAMES_A_CLIP * 15
    assert sum(found) / len(found) >= 0.99


@pytest.mark.parametrize("size", [(512, 512), (300, 400), (640, 360), (211, 199)])
def test_a_portrait_of_any_shape_agrees(
    pair: tuple[BlazeFace, FaceFinder], size: tuple[int, int], portrait: Image
) -> None:
    """Box, score and key points are MediaPipe's, whatever the letterbox has to do."""
    ours, theirs = pair
    picture = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)
    (face,), (expected,) = ours.detect(picture), theirs.find(picture)
    width = face.box.width
    assert face.box.left == pytest.approx(expected.box.left, abs=1 + 0.02 * width)
    assert face.box.top == pytest.approx(expected.box.top, abs=1 + 0.02 * width)
    assert face.box.right == pytest.approx(expected.box.right, abs=2 + 0.02 * width)
    assert face.box.bottom == pytest.approx(expected.box.bottom, abs=2 + 0.02 * width)
    assert face.score == pytest.approx(expected.score, abs=0.02)
    assert np.asarray(face.keypoints) == pytest.approx(
        np.asarray(expected.keypoints), abs=0.02 * width
    )


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error tells what to install."""
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dfedge\[mediapipe\]'") as caught:
        open_face_finder("mediapipe")
    assert caught.value.extra == "mediapipe"


def test_a_picture_without_faces_has_none() -> None:
    """MediaPipe's empty result is an empty tuple."""
    finder = open_mediapipe(store.FACE_MODEL)
    assert finder.find(np.full((90, 160, 3), 128, np.uint8)) == ()
    finder.close()


def test_any_view_of_memory_is_taken(portrait: Image) -> None:
    """A mirrored or cropped array, not contiguous in memory, is read as it looks."""
    finder = open_mediapipe(store.FACE_MODEL)
    (mirrored,) = finder.find(portrait[:, ::-1])
    (face,) = finder.find(portrait)
    finder.close()
    assert mirrored.box.center[0] == pytest.approx(512 - face.box.center[0], abs=12)


def test_a_closed_finder_says_so(portrait: Image) -> None:
    """Closing twice is no error; searching afterwards is, in words."""
    finder = open_mediapipe(store.FACE_MODEL)
    finder.close()
    finder.close()
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        finder.find(portrait)


def test_a_model_mediapipe_refuses_is_an_error() -> None:
    """Bytes that are no model do not become a traceback of MediaPipe's."""
    open_mediapipe("blazeface-full-range").close()  # skips where it cannot be loaded
    with pytest.raises(RuntimeUnavailableError, match="cannot use the face model"):
        MediaPipeFinder(b"no model", INFO, min_score=0.5, max_iou=0.3)


def test_a_missing_library_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe loads libEGL even for the CPU; without it the error says what to install."""

    class Detector:
        """Fails as MediaPipe does where the library is missing."""

        @staticmethod
        def create_from_options(options: object) -> None:
            raise OSError("libEGL.so.1: cannot open shared object file")

    vision = SimpleNamespace(FaceDetectorOptions=dict, FaceDetector=Detector)
    fakes = {
        "mediapipe": SimpleNamespace(),
        "mediapipe.tasks.python": SimpleNamespace(vision=vision, BaseOptions=dict),
    }
    monkeypatch.setattr("importlib.import_module", fakes.__getitem__)
    with pytest.raises(RuntimeUnavailableError, match=r"libEGL.*apt-get install libegl1"):
        open_face_finder("mediapipe")
