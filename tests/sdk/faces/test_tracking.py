"""Tracking: one number a person, through gaps, crossings and cuts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dfedge.faces.tracking import FaceTracker, TrackingOptions
from dfedge.types import Face, Frame

MakeFace = Callable[..., Face]
MakeFrame = Callable[..., Frame]


def ids(tracker: FaceTracker, faces: list[Face], frame: Frame) -> list[int]:
    """Track numbers of the faces of one frame, in the order given."""
    return [tracked.track_id for tracked in tracker.update(faces, frame)]


def test_a_face_that_stays_is_one_track(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Small moves from frame to frame do not make a new person."""
    tracker = FaceTracker()
    seen = [ids(tracker, [make_face(5.0 * i, 2.0 * i)], make_frame(i / 25)) for i in range(50)]
    assert seen == [[0]] * 50


def test_faces_come_back_as_given(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """The tracker adds numbers and changes neither the faces nor their order."""
    faces = [make_face(300, 0), make_face(0, 0)]
    tracked = FaceTracker().update(faces, make_frame(0))
    assert [item.face for item in tracked] == faces
    assert [item.track_id for item in tracked] == [0, 1]


def test_people_keep_their_numbers_whatever_the_order(
    make_face: MakeFace, make_frame: MakeFrame
) -> None:
    """The finder sorts by score, so the order of faces changes from frame to frame."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0), make_face(300, 0)], make_frame(0)) == [0, 1]
    assert ids(tracker, [make_face(303, 2), make_face(4, 1)], make_frame(1)) == [1, 0]


def test_a_second_person_gets_a_new_number(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Who appears later is numbered in order of appearance."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0)) == [0]
    assert ids(tracker, [make_face(0, 0), make_face(400, 0)], make_frame(1)) == [0, 1]


@pytest.mark.parametrize("missed", [1, 3, 5])
def test_a_track_survives_missed_frames(
    missed: int, make_face: MakeFace, make_frame: MakeFrame
) -> None:
    """A face the finder misses for some frames goes on as the same person."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(50, 50)], make_frame(0)) == [0]
    for index in range(missed):
        assert ids(tracker, [], make_frame(30.0 * (index + 1))) == []
    assert ids(tracker, [make_face(60, 55)], make_frame(30.0 * (missed + 1))) == [0]


def test_a_stream_survives_a_gap_in_seconds(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """At many frames a second, the gap counts in seconds, not in frames."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(50, 50)], make_frame(0)) == [0]
    for index in range(1, 150):
        assert ids(tracker, [], make_frame(index / 25)) == []
    assert ids(tracker, [make_face(50, 50)], make_frame(6.0)) == [0]


def test_a_track_ends_when_not_seen_for_long(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """After the longest gap the same place is a new person."""
    tracker = FaceTracker(TrackingOptions(max_gap_seconds=2.0, max_missed_frames=2))
    assert ids(tracker, [make_face(50, 50)], make_frame(0)) == [0]
    for second in (1, 2, 3):
        assert ids(tracker, [], make_frame(second)) == []
    assert ids(tracker, [make_face(50, 50)], make_frame(4)) == [1]


def test_a_jump_without_overlap_is_followed(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Frames a second apart: a head that moved almost by its own width is the same person."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0)) == [0]
    assert ids(tracker, [make_face(90, 0)], make_frame(1)) == [0]


@pytest.mark.parametrize(
    ("left", "width"), [(150.0, 100.0), (20.0, 190.0), (30.0, 40.0)], ids=["far", "large", "small"]
)
def test_another_face_nearby_is_a_new_person(
    left: float, width: float, make_face: MakeFace, make_frame: MakeFrame
) -> None:
    """Too far away, or of quite another size, is not the same person."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0)) == [0]
    assert ids(tracker, [make_face(left, 0, width)], make_frame(1)) == [1]


def test_overlap_counts_before_distance(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Who overlaps a track keeps it, though another face lies within the reach of a jump."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0)) == [0]
    nearer, overlapping = make_face(60, 0, 90), make_face(-50, 0)
    assert nearer.box.iou(make_face(0, 0).box) < 0.3 < overlapping.box.iou(make_face(0, 0).box)
    assert ids(tracker, [nearer, overlapping], make_frame(1)) == [1, 0]


def test_people_who_pass_each_other_keep_their_numbers(
    make_face: MakeFace, make_frame: MakeFrame
) -> None:
    """Two walk past each other at different heights of the picture, 40% of a face apart."""
    tracker = FaceTracker()
    seen = [
        ids(tracker, [make_face(15.0 * i, 0), make_face(300 - 15.0 * i, 40)], make_frame(i / 10))
        for i in range(21)
    ]
    assert seen == [[0, 1]] * 21


def test_one_behind_another_is_found_again(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """A person hidden by another for some frames has the old number on the far side."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0), make_face(200, 0)], make_frame(0)) == [0, 1]
    assert ids(tracker, [make_face(50, 0), make_face(200, 0)], make_frame(1)) == [0, 1]
    assert ids(tracker, [make_face(202, 0)], make_frame(2)) == [1]
    assert ids(tracker, [make_face(120, 0), make_face(200, 0)], make_frame(3)) == [0, 1]


def test_a_cut_ends_all_tracks(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """The same place in another scene is another person."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0, scene=0)) == [0]
    assert ids(tracker, [make_face(0, 0)], make_frame(1, scene=1)) == [1]
    assert ids(tracker, [make_face(0, 0)], make_frame(2, scene=1)) == [1]


def test_no_track_is_given_to_two_faces(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Of two faces near one track the likelier continues it."""
    tracker = FaceTracker()
    assert ids(tracker, [make_face(0, 0)], make_frame(0)) == [0]
    assert ids(tracker, [make_face(30, 0), make_face(10, 0)], make_frame(1)) == [1, 0]


def test_equal_pairs_are_joined_in_order(make_face: MakeFace, make_frame: MakeFrame) -> None:
    """Ties go to the older track and the earlier face, so results can be repeated."""
    for _ in range(3):
        tracker = FaceTracker()
        assert ids(tracker, [make_face(0, 0), make_face(0, 0)], make_frame(0)) == [0, 1]
        assert ids(tracker, [make_face(0, 0), make_face(0, 0)], make_frame(1)) == [0, 1]


def test_memory_is_bounded_by_the_people_in_view(
    make_face: MakeFace, make_frame: MakeFrame
) -> None:
    """Tracks that ended are forgotten: a day of passers-by leaves only the last few."""
    tracker = FaceTracker()
    for index in range(2000):
        tracker.update([make_face(1000.0 * index, 0)], make_frame(float(index)))
    assert len(tracker._tracks) <= 12


@pytest.mark.parametrize("options", [{"min_iou": 0.0}, {"min_iou": 1.5}, {"max_size_ratio": 0.9}])
def test_options_that_cannot_work_are_refused(options: dict[str, float]) -> None:
    """The error carries the value."""
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        TrackingOptions(**options)
