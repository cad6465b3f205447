"""BlazeFace: anchors, views, decoding, and the detectors that ship on a real picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from dfedge.bundles import store
from dfedge.bundles.card import AnchorLayer, FaceDetectorCard
from dfedge.faces.blazeface import BlazeFace, View, anchor_centers, decode, sample_view
from dfedge.types import KEYPOINT_NAMES, Box, Image

FULL_RANGE_LAYERS = (AnchorLayer(stride=4, anchors_per_cell=1),)
SHORT_RANGE_LAYERS = (
    AnchorLayer(stride=8, anchors_per_cell=2),
    AnchorLayer(stride=16, anchors_per_cell=6),
)


class PlantedNetwork:
    """Stands in for the full-range network: finds one face at one anchor of every view."""

    def __init__(self, anchor: int, regressors: list[float], logit: float) -> None:
        self.batches: list[np.ndarray[Any, Any]] = []
        self._outputs = np.zeros((2304, 16), np.float32), np.full((2304, 1), -90.0, np.float32)
        self._outputs[0][anchor] = regressors
        self._outputs[1][anchor] = logit

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the planted outputs once for each view of the batch."""
        self.batches.append(feeds["image"])
        count = len(feeds["image"])
        return {
            "regressors": np.stack([self._outputs[0]] * count),
            "logits": np.stack([self._outputs[1]] * count),
        }

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="module")
def card() -> FaceDetectorCard:
    """The card of the full-range detector."""
    return store.resolve_face_detector("blazeface-full-range")[1]


def test_the_full_range_detector_has_2304_anchors() -> None:
    """One anchor for each of 48 x 48 cells of 4 pixels, rows first, at the cell's centre."""
    anchors = anchor_centers(192, FULL_RANGE_LAYERS)
    assert anchors.shape == (2304, 2)
    assert anchors[0].tolist() == [2.0, 2.0]
    assert anchors[1].tolist() == [6.0, 2.0]
    assert anchors[48].tolist() == [2.0, 6.0]
    assert anchors[-1].tolist() == [190.0, 190.0]


def test_the_short_range_detector_has_896_anchors() -> None:
    """Two anchors in 16 x 16 cells of 8 pixels, then six in 8 x 8 cells of 16 pixels."""
    anchors = anchor_centers(128, SHORT_RANGE_LAYERS)
    assert anchors.shape == (896, 2)
    assert anchors[:3].tolist() == [[4.0, 4.0], [4.0, 4.0], [12.0, 4.0]]
    assert anchors[512:519].tolist() == [[8.0, 8.0]] * 6 + [[24.0, 8.0]]


def test_the_cards_hold_the_layers_of_mediapipe() -> None:
    """The bundles that ship say of their anchors what MediaPipe's graphs say."""
    assert store.resolve_face_detector("blazeface-full-range")[1].anchors == FULL_RANGE_LAYERS
    assert store.resolve_face_detector("blazeface-short-range")[1].anchors == SHORT_RANGE_LAYERS


def test_decoding_adds_the_anchor_to_centre_and_key_points() -> None:
    """Centre and key points are relative to the anchor, width and height are not."""
    anchors = np.asarray([[10.0, 20.0], [50.0, 60.0]], np.float32)
    regressors = np.zeros((2, 16), np.float32)
    regressors[1] = [1, 2, 8, 4, *range(12)]
    logits = np.asarray([[-5.0], [0.0]], np.float32)
    coordinates, scores = decode(regressors, logits, anchors, min_score=0.5)
    assert scores.tolist() == [0.5]
    box, keypoints = coordinates[0, :4], coordinates[0, 4:].reshape(6, 2)
    assert box.tolist() == [47.0, 60.0, 55.0, 64.0]
    assert keypoints.tolist() == [[50.0 + 2 * i, 61.0 + 2 * i] for i in range(6)]


@pytest.mark.filterwarnings("error")
def test_extreme_logits_give_scores_of_zero_and_one() -> None:
    """Logits of any size become scores within 0 to 1, without overflow."""
    logits = np.asarray([[-1e30], [1e30]], np.float32)
    regressors = np.ones((2, 16), np.float32)
    _, scores = decode(regressors, logits, np.zeros((2, 2), np.float32), min_score=0.0)
    assert scores.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(("width", "height"), [(0.0, 5.0), (5.0, -1.0), (float("nan"), 5.0)])
def test_boxes_without_area_are_left_out(width: float, height: float) -> None:
    """A box of no positive width and height is not a face, whatever its score."""
    regressors = np.zeros((1, 16), np.float32)
    regressors[0, 2:4] = width, height
    logits = np.full((1, 1), 9.0, np.float32)
    coordinates, scores = decode(regressors, logits, np.zeros((1, 2), np.float32), min_score=0.5)
    assert coordinates.shape == (0, 16)
    assert scores.shape == (0,)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), View(0.0, -80.0, 640)),
        ((480, 640), View(-80.0, 0.0, 640)),
        ((5, 5), View(0.0, 0.0, 5)),
    ],
)
def test_the_whole_view_is_a_letterbox(size: tuple[int, int], expected: View) -> None:
    """The smallest square about the frame's centre that holds all of it."""
    assert View.whole(*size) == expected


def test_sampling_reads_corner_on_corner() -> None:
    """Output pixel i is frame position i * side / size, as MediaPipe samples it."""
    ramp = np.arange(0, 240, 4, dtype=np.uint8)
    across = np.repeat(ramp[None, :, None], 60, axis=0).repeat(3, axis=2)
    for image, line in ((across, np.s_[10, :, 0]), (across.transpose(1, 0, 2), np.s_[:, 10, 0])):
        sampled = sample_view(np.ascontiguousarray(image), View(0.0, 0.0, 60.0), 30)
        assert sampled[line].tolist() == list(range(0, 240, 8))


def test_what_lies_outside_the_frame_is_black() -> None:
    """A view that reaches past the frame is padded with 0."""
    image: Image = np.full((10, 20, 3), 200, np.uint8)
    sampled = sample_view(image, View.whole(20, 10), 20)
    assert sampled[:5].max() == 0
    assert sampled[5:15].min() == 200
    assert sampled[15:].max() == 0


def test_faces_come_back_in_pixels_of_the_frame(card: FaceDetectorCard) -> None:
    """What the network sees in a view is moved and scaled to the frame, for each view."""
    network = PlantedNetwork(0, [0.0, 0.0, 4.0, 4.0] + [0.0] * 12, logit=3.0)
    image: Image = np.zeros((400, 400, 3), np.uint8)
    views = [View(0.0, 0.0, 192.0), View(100.0, 50.0, 384.0)]
    first, second = BlazeFace(card, network).detect_views(image, views, min_score=0.5)
    assert [face.box for face in first] == [Box(0.0, 0.0, 4.0, 4.0)]
    assert [face.box for face in second] == [Box(100.0, 50.0, 108.0, 58.0)]
    assert second[0].keypoints == ((104.0, 54.0),) * 6
    assert second[0].score == pytest.approx(0.952574, abs=1e-6)


def test_the_network_gets_one_normalised_batch(card: FaceDetectorCard) -> None:
    """All views go in one run, channels first, black as -1 and white as 1."""
    network = PlantedNetwork(0, [0.0] * 16, logit=-9.0)
    image: Image = np.zeros((192, 192, 3), np.uint8)
    image[:, :, 1] = 255
    BlazeFace(card, network).detect_views(image, [View(0.0, 0.0, 192.0)] * 3, min_score=0.5)
    (batch,) = network.batches
    assert batch.shape == (3, 3, 192, 192)
    assert batch.dtype == np.float32
    assert [np.unique(batch[:, channel]).tolist() for channel in range(3)] == [[-1], [1], [-1]]


def test_without_views_the_network_is_not_run(card: FaceDetectorCard) -> None:
    """No view, no faces, no work."""
    network = PlantedNetwork(0, [0.0] * 16, logit=9.0)
    image: Image = np.zeros((8, 8, 3), np.uint8)
    assert BlazeFace(card, network).detect_views(image, [], min_score=0.5) == []
    assert network.batches == []


@pytest.mark.parametrize("model", ["full_range", "short_range"])
def test_a_portrait_has_one_face_with_its_six_points(
    model: str, portrait: Image, request: pytest.FixtureRequest
) -> None:
    """Both detectors find the astronaut, and the points are where their names say."""
    detector: BlazeFace = request.getfixturevalue(model)
    (face,) = detector.detect(portrait)
    assert face.score > 0.8
    assert face.box.iou(Box(170, 65, 280, 175)) > 0.6, "her face"
    points = dict(zip(KEYPOINT_NAMES, face.keypoints, strict=True))
    names_from_the_left = sorted(
        ("right_ear", "right_eye", "left_eye", "left_ear"), key=lambda name: points[name][0]
    )
    assert names_from_the_left == ["right_ear", "right_eye", "left_eye", "left_ear"]
    assert points["right_eye"][1] < points["nose_tip"][1] < points["mouth_center"][1]
