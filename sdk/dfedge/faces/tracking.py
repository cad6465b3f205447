"""Tracks: which faces over the frames of a source are the same person.

Faces are joined by overlap, and where frames lie too far apart for that, by place and size. It is
done frame by frame, so it serves streams as well; a track that is not seen for long is forgotten,
so memory is bounded by the number of people in view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dfedge.types import Box, Face, Frame, TrackedFace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingOptions:
    """What makes two faces the same person."""

    min_iou: float = 0.3
    """Boxes of one track in neighbouring frames overlap at least this much, 0 to 1 ..."""
    max_move: float = 1.0
    """... or their centres are at most this many mean box sides apart ..."""
    max_size_ratio: float = 1.6
    """... while the larger is at most this many times as wide as the smaller."""
    max_gap_seconds: float = 10.0
    """A track that was not seen for longer than this has ended."""
    max_missed_frames: int = 5
    """It goes on at least over this many frames without its face, however far apart they lie."""

    def __post_init__(self) -> None:
        if not 0.0 < self.min_iou <= 1.0:
            raise ValueError(f"min_iou must be above 0 and at most 1, got {self.min_iou}")
        if self.max_size_ratio < 1.0:
            raise ValueError(f"max_size_ratio must be at least 1, got {self.max_size_ratio}")


@dataclass(slots=True)
class _Track:
    """A person who may be seen again."""

    track_id: int
    box: Box
    scene: int
    seen_at_seconds: float
    missed_frames: int = 0


class FaceTracker:
    """Gives each face of each frame the number of its track. One for a source, not for threads.

    Deterministic: the same faces in the same order give the same numbers. A cut ends all tracks:
    who is at the same place in another shot need not be the same person.
    """

    def __init__(self, options: TrackingOptions | None = None) -> None:
        self._options = options or TrackingOptions()
        self._tracks: list[_Track] = []
        self._next_id = 0

    def update(self, faces: Sequence[Face], frame: Frame) -> tuple[TrackedFace, ...]:
        """Return the faces of the next frame with their tracks, in the order given.

        Args:
            frame: the frame they are from, for its time and scene; frames come in order of time.
        """
        self._forget(frame)
        joined = self._join(faces)
        tracked = []
        for index, face in enumerate(faces):
            track = joined.get(index)
            if track is None:
                track = _Track(self._next_id, face.box, frame.scene, frame.pts_seconds)
                self._next_id += 1
                self._tracks.append(track)
            track.box, track.seen_at_seconds, track.missed_frames = face.box, frame.pts_seconds, -1
            tracked.append(TrackedFace(track_id=track.track_id, face=face))
        for track in self._tracks:
            track.missed_frames += 1
        return tuple(tracked)

    def _forget(self, frame: Frame) -> None:
        """Drop the tracks of other scenes and those that were not seen for too long."""
        options = self._options
        self._tracks = [
            track
            for track in self._tracks
            if track.scene == frame.scene
            and (
                track.missed_frames <= options.max_missed_frames
                or frame.pts_seconds - track.seen_at_seconds <= options.max_gap_seconds
            )
        ]

    def _join(self, faces: Sequence[Face]) -> dict[int, _Track]:
        """Return the track of each face that continues one, by the face's index.

        The likeliest pair is joined first: what overlaps more, then what is nearer; ties go to the
        older track and the earlier face.
        """
        pairs = []
        for track in self._tracks:
            for index, face in enumerate(faces):
                cost = self._cost(track.box, face.box)
                if cost is not None:
                    pairs.append((cost, track.track_id, index, track))
        joined: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, track_id, index, track in sorted(pairs, key=lambda pair: pair[:3]):
            if track_id not in taken and index not in joined:
                joined[index] = track
                taken.add(track_id)
        return joined

    def _cost(self, before: Box, after: Box) -> tuple[int, float] | None:
        """Return how unlikely the boxes are of one person; None when they cannot be.

        Overlap counts before distance: pairs that overlap enough come first.
        """
        options = self._options
        iou = before.iou(after)
        if iou >= options.min_iou:
            return 0, 1.0 - iou
        sides = math.sqrt(before.area), math.sqrt(after.area)
        if max(sides) > options.max_size_ratio * min(sides):
            return None
        (x_before, y_before), (x_after, y_after) = before.center, after.center
        move = math.hypot(x_after - x_before, y_after - y_before) / (sum(sides) / 2)
        return (1, move) if move <= options.max_move else None
