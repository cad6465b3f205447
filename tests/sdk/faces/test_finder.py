"""The default finder: near and distant faces, several, none, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.faces.blazeface import BlazeFace, View
from dfedge.faces.finder import (
    BlazeFaceFinder,
    ZoomOptions,
    distinct,
    is_same_face,
    merge,
    shrink_to,
    tiles,
)
from dfedge.types import Box, Face, Image
from dfedge.verdict import ModelInfo

MakeFace = Callable[..., Face]

ASTRONAUT = Box(172, 66, 278, 172)
"""Where BlazeFace sees her face in the 512 x 512 portrait, to a few pixels."""

INFO = ModelInfo(name="test", version="1.0.0", sha256="0" * 64, role="face_detector")


class WatchedDetector:
    """Passes views on to a detector, or answers by a rule, and remembers them."""

    def __init__(self, answer: Callable[[View, float], Sequence[Face]]) -> None:
        self.runs: list[list[View]] = []
        self._answer = answer

    def detect_views(
        self, image: Image, views: Sequence[View], *, min_score: float
    ) -> list[tuple[Face, ...]]:
        """Return what the rule says of each view."""
        self.runs.append(list(views))
        return [tuple(self._answer(view, min_score)) for view in views]

    def close(self) -> None:
        """Do nothing."""


def place(
    portrait: Image, *, size: tuple[int, int], face_width: float, at: tuple[int, int]
) -> tuple[Image, Box]:
    """Put the portrait, shrunk until the face has the given width, on a grey wall of (w, h)."""
    factor = face_width / ASTRONAUT.width
    side = round(512 * factor)
    small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    wall: Image = np.full((size[1], size[0], 3), (150, 140, 130), np.uint8)
    left, top = at
    wall[top : top + side, left : left + side] = small
    return wall, ASTRONAUT.scaled(side / 512).shifted(left, top)


def test_a_portrait_has_one_face(finder: FaceFinder, portrait: Image) -> None:
    """One person, found where she is."""
    (face,) = finder.find(portrait)
    assert face.box.iou(ASTRONAUT) > 0.8


@pytest.mark.parametrize("face_width", [90, 60, 45, 32, 20])
@pytest.mark.parametrize("at", [(40, 30), (560, 280), (840, 100)])
def test_a_distant_face_is_found(
    face_width: int, at: tuple[int, int], finder: FaceFinder, portrait: Image
) -> None:
    """Down to a 64th of the frame's width, wherever it is, one face and no other."""
    frame, expected = place(portrait, size=(1280, 720), face_width=face_width, at=at)
    (face,) = finder.find(frame)
    assert face.box.iou(expected) > 0.7


def test_one_look_is_not_enough_for_a_distant_face(full_range: BlazeFace, portrait: Image) -> None:
    """The closer looks are what finds it: the network alone does not."""
    frame, _ = place(portrait, size=(1280, 720), face_width=45, at=(40, 30))
    assert full_range.detect(frame) == ()


def test_near_and_distant_people_are_found_together(finder: FaceFinder, portrait: Image) -> None:
    """A second, smaller face does not hide behind the first."""
    frame, near = place(portrait, size=(1280, 720), face_width=140, at=(0, 20))
    distant_frame, distant = place(portrait, size=(1280, 720), face_width=80, at=(800, 250))
    frame[:, 700:] = distant_frame[:, 700:]
    faces = sorted(finder.find(frame), key=lambda face: face.box.left)
    assert len(faces) == 2
    assert faces[0].box.iou(near) > 0.7
    assert faces[1].box.iou(distant) > 0.7


@pytest.mark.parametrize("side", [72, 288])
def test_a_face_that_fills_the_frame_is_found(
    side: int, finder: FaceFinder, portrait: Image
) -> None:
    """A crop inside the face, of which the network alone is not sure, is one face too."""
    crop = cv2.resize(portrait[85:157, 190:262], (side, side), interpolation=cv2.INTER_LINEAR)
    (face,) = finder.find(crop)
    assert face.box.iou(ASTRONAUT.shifted(-190, -85).scaled(side / 72)) > 0.8


def test_boxes_of_a_large_frame_are_in_its_own_pixels(finder: FaceFinder, portrait: Image) -> None:
    """Shrinking before the search does not show in the result."""
    large = cv2.resize(portrait, (4096, 4096), interpolation=cv2.INTER_LINEAR)
    (face,) = finder.find(large)
    assert face.box.iou(ASTRONAUT.scaled(8)) > 0.8
    nose_x, nose_y = face.keypoints[2]
    assert abs(nose_x - 8 * 218) < 100
    assert abs(nose_y - 8 * 127) < 100


def test_pictures_without_faces_have_none(finder: FaceFinder) -> None:
    """Noise, a flat wall, stripes and lettering are no people."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (360, 640, 3)).astype(np.uint8)
    flat = np.full((360, 640, 3), 128, np.uint8)
    stripes = np.tile(np.where(np.arange(640) % 16 < 8, 0, 255)[None, :, None], (360, 1, 3))
    lettering = flat.copy()
    cv2.putText(lettering, "BIG NEWS", (40, 200), cv2.FONT_HERSHEY_DUPLEX, 3, (255, 255, 255), 8)
    for picture in (noise, flat, stripes.astype(np.uint8), lettering):
        assert finder.find(picture) == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 7), (40, 16000)])
def test_frames_of_any_shape_are_taken(shape: tuple[int, int], finder: FaceFinder) -> None:
    """A frame too small or too thin for a face has none, and is no error."""
    assert finder.find(np.full((*shape, 3), 90, np.uint8)) == ()


def test_a_sure_face_costs_one_look(portrait: Image, full_range: BlazeFace) -> None:
    """Most frames show a large face: there the network runs once, on one view."""
    detector = WatchedDetector(
        lambda view, score: full_range.detect_views(portrait, [view], min_score=score)[0]
    )
    assert len(BlazeFaceFinder(detector, INFO).find(portrait)) == 1
    assert detector.runs == [[View.whole(512, 512)]]


def test_a_crowd_of_doubtful_faces_has_a_bounded_cost(make_face: MakeFace) -> None:
    """However many weak candidates, only the best few get a close-up."""
    crowd = [make_face(20.0 * i, 0, 15.0, score=0.4) for i in range(30)]
    detector = WatchedDetector(lambda view, score: crowd if score < 0.5 else [])
    options = ZoomOptions(tile_fractions=())
    image: Image = np.zeros((480, 640, 3), np.uint8)
    assert BlazeFaceFinder(detector, INFO, options).find(image) == ()
    assert max(len(views) for views in detector.runs) <= options.max_close_ups


def test_a_candidate_must_be_a_face_from_near_too(make_face: MakeFace) -> None:
    """A hand that looks like a face in one view, and not in the close-up, is left out."""
    hand = make_face(300, 200, 120, score=0.7)
    detector = WatchedDetector(lambda view, score: [hand] if view.side == 640 else [])
    image: Image = np.zeros((480, 640, 3), np.uint8)
    assert BlazeFaceFinder(detector, INFO).find(image) == ()


def test_a_face_cut_by_a_tile_is_not_taken_from_it(make_face: MakeFace) -> None:
    """Half a face at a tile's inner edge is left to the tile that holds it whole."""
    half = make_face(300, 200, 60, score=0.9)

    def answer(view: View, _score: float) -> Sequence[Face]:
        cuts = view.left + view.side == 320.0  # a tile of 320 pixels whose right edge cuts it
        close_up = view.side == 4 * 60
        return [half] if cuts or close_up else []

    detector = WatchedDetector(answer)
    image: Image = np.zeros((480, 640, 3), np.uint8)
    assert BlazeFaceFinder(detector, INFO, ZoomOptions(tile_fractions=(0.5,))).find(image) == ()
    assert any(view.left + view.side == 320.0 for views in detector.runs for view in views)


def test_a_wrong_candidate_does_not_hide_the_face_inside_it(make_face: MakeFace) -> None:
    """A body that looks like a face from afar does not keep the head from its close-up."""
    body, head = make_face(200, 100, 120, score=0.6), make_face(240, 110, 40, score=0.5)

    def answer(view: View, min_score: float) -> Sequence[Face]:
        if view.side == 320.0:  # a tile
            return [body, head]
        seen_from_near = view.side == 4 * 40
        return [make_face(241, 111, 40, score=0.9)] if seen_from_near else []

    image: Image = np.zeros((480, 640, 3), np.uint8)
    finder = BlazeFaceFinder(WatchedDetector(answer), INFO, ZoomOptions(tile_fractions=(0.5,)))
    (face,) = finder.find(image)
    assert face.box == Box(241, 111, 281, 151)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 640), (5000, 10)])
@pytest.mark.parametrize("fraction", [0.5, 0.25])
def test_tiles_cover_the_frame_and_overlap(width: int, height: int, fraction: float) -> None:
    """Every square up to a third of a tile lies whole in some tile."""
    side = fraction * max(width, height)
    views = tiles(width, height, side)
    face = side / 3
    for x in np.linspace(0, max(width - face, 0), 23):
        for y in np.linspace(0, max(height - face, 0), 23):
            assert any(
                view.left <= x + 1e-6
                and view.top <= y + 1e-6
                and min(x + face, width) <= view.left + side + 1e-6
                and min(y + face, height) <= view.top + side + 1e-6
                for view in views
            )


def test_of_one_face_the_preferred_box_stays(make_face: MakeFace) -> None:
    """Boxes that overlap, or of which one holds the other, are one face."""
    near, far, part, other = (
        make_face(0, 0, 100),
        make_face(20, 0, 100),
        make_face(30, 60, 30),
        make_face(300, 0, 100),
    )
    assert merge([near], [far, part, other]) == [near, other]


def test_a_candidate_inside_another_gets_its_own_look(make_face: MakeFace) -> None:
    """Before the close-ups only boxes that overlap well count as one."""
    body, head, shifted, known = (
        make_face(0, 0, 100),
        make_face(30, 10, 30),
        make_face(10, 0, 100),
        make_face(300, 0, 100),
    )
    assert distinct([body, head, shifted, known], [known]) == [body, head]


@pytest.mark.parametrize(
    ("box", "same"),
    [
        (Box(0, 0, 10, 10), True),
        (Box(4, 0, 14, 10), True),
        (Box(6, 0, 16, 10), False),
        (Box(2, 2, 5, 5), True),
        (Box(10, 0, 20, 10), False),
    ],
)
def test_when_two_boxes_are_of_one_face(box: Box, same: bool) -> None:
    """Above an IoU of 0.3, or when most of the smaller lies in the larger."""
    assert is_same_face(Box(0, 0, 10, 10), box) is same
    assert is_same_face(box, Box(0, 0, 10, 10)) is same


def test_small_pictures_are_not_enlarged() -> None:
    """Shrinking has a factor of at most 1 and keeps the picture's shape."""
    image: Image = np.zeros((90, 160, 3), np.uint8)
    same, factor = shrink_to(image, 640)
    assert same is image
    assert factor == 1.0
    smaller, factor = shrink_to(image, 80)
    assert smaller.shape == (45, 80, 3)
    assert factor == 0.5


def test_the_finder_names_its_model(finder: FaceFinder) -> None:
    """A verdict says which face detector took part."""
    (info,) = finder.models
    assert (info.name, info.role) == ("blazeface-full-range", "face_detector")


def test_an_unknown_backend_is_refused() -> None:
    """The error names what was asked for and what there is."""
    with pytest.raises(UsageError, match=r"'dlib'.*blazeface, mediapipe"):
        open_face_finder("dlib")  # type: ignore[arg-type]


def test_scores_out_of_order_are_refused() -> None:
    """A weak score above the score of a face cannot work."""
    with pytest.raises(ValueError, match="weak_score"):
        ZoomOptions(weak_score=0.9)
