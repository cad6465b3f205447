"""Face detectors and pictures for the tests of faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from dfedge.bundles import store
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.faces.blazeface import BlazeFace
from dfedge.runtime import open_model
from dfedge.types import Box, Face, Frame, Image


@pytest.fixture(scope="session")
def full_range() -> Iterator[BlazeFace]:
    """The full-range detector that ships."""
    bundle, card = store.resolve_face_detector("blazeface-full-range")
    detector = BlazeFace(card, open_model(bundle, device="cpu", threads=1))
    yield detector
    detector.close()


@pytest.fixture(scope="session")
def short_range() -> Iterator[BlazeFace]:
    """The short-range detector that ships."""
    bundle, card = store.resolve_face_detector("blazeface-short-range")
    detector = BlazeFace(card, open_model(bundle, device="cpu", threads=1))
    yield detector
    detector.close()


@pytest.fixture(scope="session")
def finder() -> Iterator[FaceFinder]:
    """The default face finder."""
    finder = open_face_finder(threads=1)
    yield finder
    finder.close()


@pytest.fixture
def make_face() -> Callable[..., Face]:
    """Makes a face with the given box; its key points all lie at the centre."""

    def make(
        left: float,
        top: float,
        width: float = 100.0,
        height: float | None = None,
        *,
        score: float = 0.9,
    ) -> Face:
        box = Box(left, top, left + width, top + (width if height is None else height))
        return Face(box=box, score=score, keypoints=(box.center,) * 6)

    return make


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Makes a black frame of the given time."""
    image: Image = np.zeros((2, 2, 3), np.uint8)

    def make(pts_seconds: float, *, scene: int = 0) -> Frame:
        return Frame(image=image, index=0, pts_seconds=pts_seconds, scene=scene)

    return make
