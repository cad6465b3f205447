"""What is cut from the frames to be sent: exact, within the frame, bounded."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from dfedge.crops import CropBox
from dfedge.escalation import crops as crops_module
from dfedge.escalation.crops import CROPS_PER_TRACK, FaceCrops, encode, sent_region
from dfedge.frame_scorers import Seen, Sighting
from dfedge.types import Box, Face, Frame, TrackedFace
from dfedge.verdict import Reason

BOX = Box(100.3, 80.2, 160.9, 150.4)
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "sent_regions.json"


def frame(index: int, *, seed: int = 0) -> Frame:
    """Noise, 320 x 240."""
    noise = np.random.default_rng(seed + index).integers(0, 256, (240, 320, 3), np.uint8)
    return Frame(noise, index, index / 10)


def seen(frame: Frame, *boxes: Box, issues: tuple[Reason, ...] = ()) -> Seen:
    """A frame in which each box is a person."""
    sightings = tuple(
        Sighting(TrackedFace(number, Face(box, 0.9, ())), number, CropBox(0, 0, 1, 1), issues)
        for number, box in enumerate(boxes)
    )
    return Seen(frame.index, frame.pts_seconds, sightings, {})


def test_regions_are_those_of_the_golden_file() -> None:
    """The same whole pixels as the browser sends, also at and past the frame's edges."""
    cases = json.loads(GOLDEN.read_text())["cases"]
    for case in cases:
        expected = None if case["region"] is None else CropBox(*case["region"])
        assert expected == sent_region(Box(*case["box"]), *case["frame"])


def test_a_crop_is_the_frames_own_pixels() -> None:
    """PNG loses nothing, and left and top say where they lie."""
    crops, picture = FaceCrops(), frame(7)
    crops.watch(picture, seen(picture, BOX))
    (described,), parts = encode(crops.of([0]))
    pixels = np.asarray(Pictures.open(io.BytesIO(parts[described.part])))
    height, width, _ = pixels.shape
    top, left = described.top, described.left
    assert np.array_equal(pixels, picture.image[top : top + height, left : left + width])
    assert described.box == (100.3, 80.2, 160.9, 150.4)
    assert (described.frame_index, described.pts_seconds) == (7, 0.7)
    assert (described.frame_width, described.frame_height) == (320, 240)


def test_the_region_is_a_square_of_two_faces_about_the_face() -> None:
    """Twice the longer side, rounded outwards, so that every model's crop lies inside."""
    assert sent_region(BOX, 320, 240) == CropBox(60, 45, 201, 186)


@pytest.mark.parametrize(
    ("box", "region"),
    [
        (Box(0.0, 0.0, 50.0, 50.0), CropBox(0, 0, 75, 75)),
        (Box(290.0, 200.0, 330.0, 250.0), CropBox(260, 175, 320, 240)),
        (Box(-500.0, -500.0, 900.0, 900.0), CropBox(0, 0, 320, 240)),
        (Box(400.0, 10.0, 420.0, 30.0), None),
    ],
)
def test_the_region_ends_at_the_frames_edge(box: Box, region: CropBox | None) -> None:
    """Nothing is padded; a face outside has no region."""
    assert sent_region(box, 320, 240) == region


def test_faces_that_do_not_count_are_not_sent() -> None:
    """Too small or blurred for the device is too bad for the server."""
    crops, picture = FaceCrops(), frame(0)
    crops.watch(picture, seen(picture, BOX, issues=(Reason.TOO_BLURRY,)))
    assert crops.of([0]) == []


def test_a_long_source_is_sent_in_part_but_over_all_of_its_time() -> None:
    """At most 32 pictures of a person, from the beginning to the end."""
    crops = FaceCrops()
    for index in range(1000):
        crops.watch(frame(index), seen(frame(index), BOX))
    kept = sorted(crop.frame_index for crop in crops.of([0]))
    assert CROPS_PER_TRACK / 2 <= len(kept) <= CROPS_PER_TRACK
    assert kept[0] == 0
    assert kept[-1] >= 900


def test_what_waits_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large faces of many people are thinned out, none is lost."""
    monkeypatch.setattr(crops_module, "MAX_HELD_BYTES", 1_000_000)
    crops = FaceCrops()
    boxes = (BOX, Box(20.0, 20.0, 220.0, 220.0))
    for index in range(20):
        crops.watch(frame(index), seen(frame(index), *boxes))
    held = crops.of([0, 1])
    assert sum(crop.pixels.nbytes for crop in held) <= 1_000_000
    assert {crop.track_id for crop in held} == {0, 1}


def test_a_limit_on_bytes_leaves_no_part_of_the_source_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When half is too much, it is every second picture that stays behind, not the last ones."""
    crops = FaceCrops()
    for index in range(16):
        crops.watch(frame(index), seen(frame(index), BOX))
    _, parts = encode(crops.of([0]))
    half = sum(map(len, parts.values())) // 2 + 5000
    monkeypatch.setattr(crops_module, "MAX_SENT_BYTES", half)
    described, parts = encode(crops.of([0]))
    assert sum(map(len, parts.values())) <= half
    assert [crop.frame_index for crop in described] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert list(parts) == [crop.part for crop in described]
