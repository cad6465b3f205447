"""Finding the faces of a frame: one look at the whole, closer looks only where that is not enough.

The full-range BlazeFace is sure of faces a tenth as wide as its view and blind to those under a
twentieth. So a frame is first seen whole; small and weak candidates are looked at again from near;
and when nothing was found, or only small faces were, overlapping tiles of the frame are searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from dfedge.faces.blazeface import BlazeFace, View
from dfedge.types import Box, Face, Image
from dfedge.verdict import ModelInfo

SAME_IOU = 0.3
"""Boxes with a larger intersection over union are of one face, as in MediaPipe's suppression."""


class FaceFinder(Protocol):
    """Anything that finds the faces of a picture; the detector takes any of them."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that take part, as a verdict names them."""

    def find(self, image: Image) -> tuple[Face, ...]:
        """Return the faces of a picture in its pixels, best first; an empty tuple when none."""

    def close(self) -> None:
        """Free what the finder holds; calling it again, or where nothing is held, does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoomOptions:
    """When and how closely :class:`BlazeFaceFinder` looks again.

    Fractions are of the frame's longer side.
    """

    whole_side_pixels: int = 640
    """Longer frames are shrunk (area averaging) to this for the look at the whole."""
    near_side_pixels: int = 1280
    """Longer frames are shrunk to this for the closer looks."""
    sure_score: float = 0.75
    """Faces with this score, and not small, are taken at the first look."""
    min_score: float = 0.6
    """Other faces need this score in a close-up."""
    weak_score: float = 0.15
    """Candidates of the first look need this to get a close-up."""
    tile_score: float = 0.3
    """Candidates of a look at tiles need this: many tiles show many candidates."""
    small_fraction: float = 0.1
    """Faces narrower than this get a close-up, which places them better."""
    search_fraction: float = 0.06
    """When no face is wider than this, the tiles are searched: there the first look goes blind."""
    close_up: float = 4.0
    """A close-up is this many times as wide as its candidate."""
    max_close_ups: int = 8
    """Close-ups for each look, best candidates first, so that a crowd has a bounded cost."""
    tile_fractions: tuple[float, ...] = (0.5, 0.25)
    """Sides of the tiles; each next size is used only when the one before found nothing."""

    def __post_init__(self) -> None:
        if not 0.0 < self.weak_score <= self.min_score <= self.sure_score <= 1.0:
            raise ValueError(
                "scores need 0 < weak_score <= min_score <= sure_score <= 1, "
                f"got {self.weak_score}, {self.min_score} and {self.sure_score}"
            )


class BlazeFaceFinder:
    """The default finder: BlazeFace on the whole frame, then on close-ups and tiles if needed.

    Keeps no state between frames; safe to share between threads.
    """

    def __init__(
        self, detector: BlazeFace, info: ModelInfo, options: ZoomOptions | None = None
    ) -> None:
        self._detector = detector
        self._models = (info,)
        self._options = options or ZoomOptions()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The detector's model."""
        return self._models

    def find(self, image: Image) -> tuple[Face, ...]:
        """Return the faces of a picture in its pixels, best first; an empty tuple when none."""
        options = self._options
        longer = max(image.shape[:2])
        small, smallest = options.small_fraction * longer, options.search_fraction * longer
        far = _Looks(self._detector, image, options.whole_side_pixels, options)
        candidates = far.at_whole()
        faces = [
            face
            for face in candidates
            if face.score >= options.sure_score and face.box.width >= small
        ]
        doubtful = [face for face in candidates if face not in faces]
        if faces and not doubtful:
            return tuple(faces)
        faces = merge(faces, far.close_ups([face for face in doubtful if face.box.width >= small]))
        near = _Looks(self._detector, image, options.near_side_pixels, options)
        faces = merge(faces, near.close_ups([face for face in doubtful if face.box.width < small]))
        if not faces:
            faces = far.close_ups(far.from_afar())
        if all(face.box.width < smallest for face in faces):
            faces = near.search(faces)
        return tuple(_best_first(faces))

    def close(self) -> None:
        """Free the model; the finder cannot be used afterwards. Closing twice is no error."""
        self._detector.close()


class _Looks:
    """Looks at one frame, shrunk to a size that suits them; boxes are of the original frame."""

    def __init__(
        self, detector: BlazeFace, image: Image, side_pixels: int, options: ZoomOptions
    ) -> None:
        self._detector = detector
        self._options = options
        self._image, self._shrink = shrink_to(image, side_pixels)
        self._height, self._width = self._image.shape[:2]

    def at_whole(self) -> list[Face]:
        """Return all that could be a face, at first sight."""
        (seen,) = self._look([View.whole(self._width, self._height)], self._options.weak_score)
        return seen

    def from_afar(self) -> list[Face]:
        """Return what could be a face that fills the frame.

        It is seen in the middle of a view twice as wide, at a size that the network knows.
        """
        whole = View.whole(self._width, self._height)
        afar = View(whole.left - whole.side / 2, whole.top - whole.side / 2, 2.0 * whole.side)
        (seen,) = self._look([afar], self._options.weak_score)
        return seen

    def close_ups(self, candidates: Sequence[Face]) -> list[Face]:
        """Return the candidates that a close-up shows to be faces, as the close-up shows them.

        Hands and lettering reach a score of 0.7 in a view that happens to suit them. Of 141 such
        finds all but one stayed under 0.5 in a close-up, where none of 364 small faces did
        (docs/faces.md).
        """
        options = self._options
        candidates = _best_first(candidates)[: options.max_close_ups]
        views = []
        for candidate in candidates:
            box = candidate.box.scaled(self._shrink)
            side = options.close_up * max(box.width, box.height)
            center_x, center_y = box.center
            views.append(View(center_x - side / 2, center_y - side / 2, side))
        looks = self._look(views, options.min_score)
        faces = [
            face
            for candidate, seen in zip(candidates, looks, strict=True)
            for face in seen
            if face.box.iou(candidate.box) > SAME_IOU
        ]
        return merge(_best_first(faces), [])

    def search(self, known: list[Face]) -> list[Face]:
        """Return the known faces and those in the tiles of the first size that shows any."""
        for fraction in self._options.tile_fractions:
            side = fraction * max(self._width, self._height)
            looks = self._look(tiles(self._width, self._height, side), self._options.tile_score)
            candidates = distinct(_best_first(face for seen in looks for face in seen), known)
            known = merge(known, self.close_ups(candidates))
            if known:
                break
        return known

    def _look(self, views: Sequence[View], min_score: float) -> list[list[Face]]:
        """Return for each view the faces that are whole in it, in pixels of the original frame."""
        found = self._detector.detect_views(self._image, views, min_score=min_score)
        return [
            [_scaled(face, 1.0 / self._shrink) for face in seen if not self._is_cut(face.box, view)]
            for view, seen in zip(views, found, strict=True)
        ]

    def _is_cut(self, box: Box, view: View) -> bool:
        """Whether the box reaches past a side of the view where the frame goes on."""
        right, bottom = view.left + view.side, view.top + view.side
        return (
            (box.left < view.left and view.left > 0)
            or (box.top < view.top and view.top > 0)
            or (box.right > right and right < self._width)
            or (box.bottom > bottom and bottom < self._height)
        )


def distinct(candidates: Sequence[Face], known: Sequence[Face]) -> list[Face]:
    """Return the candidates that overlap neither a known face nor an earlier candidate.

    One inside another stays: either can be the wrong one, and a close-up will tell.
    """
    kept: list[Face] = []
    for face in candidates:
        if all(face.box.iou(other.box) <= SAME_IOU for other in (*known, *kept)):
            kept.append(face)
    return kept


def merge(preferred: Sequence[Face], others: Sequence[Face]) -> list[Face]:
    """Return one box a face: the first of those that are of the same, ``preferred`` first."""
    kept: list[Face] = []
    for face in (*preferred, *others):
        if not any(is_same_face(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def is_same_face(box: Box, other: Box) -> bool:
    """Whether two boxes are of one face, seen in different views.

    So it is when they overlap by more than :data:`SAME_IOU`, or when most (0.6) of the smaller lies
    in the larger: a part of a face can look like one.
    """
    width = min(box.right, other.right) - max(box.left, other.left)
    height = min(box.bottom, other.bottom) - max(box.top, other.top)
    if width <= 0 or height <= 0:
        return False
    return box.iou(other) > SAME_IOU or width * height > 0.6 * min(box.area, other.area)


def tiles(width: int, height: int, side: float) -> list[View]:
    """Return squares of ``side`` that cover a frame, overlapping by a third of a side or more.

    A face up to a third of a tile is thus whole in some tile.
    """
    return [View(left, top, side) for top in _starts(height, side) for left in _starts(width, side)]


def shrink_to(image: Image, longest: int) -> tuple[Image, float]:
    """Return the picture, its longer side at most ``longest`` pixels, and the factor applied."""
    import cv2

    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1.0:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA)), factor


def _best_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.score)


def _starts(length: int, side: float) -> list[float]:
    if side >= length:
        return [(length - side) / 2]
    step = side * 2 / 3
    gaps = -int(-(length - side) // step)
    return [index * (length - side) / gaps for index in range(gaps + 1)]


def _scaled(face: Face, factor: float) -> Face:
    return Face(
        box=face.box.scaled(factor),
        score=face.score,
        keypoints=tuple((x * factor, y * factor) for x, y in face.keypoints),
    )
