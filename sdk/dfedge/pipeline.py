"""One frame through faces, tracks, crops and logits, and many frames into a verdict.

The stages are those of the design, in one direction: frame -> faces -> tracks -> crops -> logits ->
observations -> verdict. A :class:`FramePipeline` holds the state of one source (its tracks and its
clock); the models it runs are shared and stateless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from dfedge import __version__
from dfedge.analysis import Evidence
from dfedge.crops import CropBox, Patch, crop_box, measure_quality
from dfedge.evidence import (
    EVIDENCE_PER_TRACK,
    Suspect,
    Suspects,
    View,
    cut_view,
    with_heat,
)
from dfedge.faces import FaceTracker
from dfedge.frame_scorers import (
    THE_FRAME,
    ClipScorer,
    CropScorer,
    FrameRecord,
    FrameScorer,
    Seen,
    Sighting,
)
from dfedge.media import MediaInfo
from dfedge.models import Kept, Models, Score
from dfedge.scoring import judge_clip, judge_track, quality_issues, timeline
from dfedge.spread import Spread
from dfedge.types import Frame, TrackedFace
from dfedge.verdict import Observation, Opinion, Reason, SourceInfo, Timing, Verdict


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A frame whose faces are found and followed.

    Attributes:
        faces: each with a part of the picture that shows it and what the model looks at about it.
    """

    index: int
    pts_seconds: float
    faces: tuple[tuple[TrackedFace, Patch], ...]


class FramePipeline:
    """Runs the frames of one source in order; not to be shared between sources or threads.

    Args:
        keep_evidence: keep small pictures of the faces.
        heatmaps: of each track, the number of usable faces that :meth:`evidence` can show with a
            heat map; only for models of single pictures.
        live_seconds: how far back a clip may reach; None for a source with an end.
        ahead: a thread in which a model of single pictures works while frames are added.
    """

    def __init__(
        self,
        models: Models,
        *,
        keep_evidence: bool,
        heatmaps: int = 0,
        live_seconds: float | None = None,
        ahead: Executor | None = None,
    ) -> None:
        self._models = models
        self._tracker = FaceTracker()
        self._strips: dict[int, Spread[View]] = {}
        self._suspects = Suspects(heatmaps) if heatmaps else None
        self._views: dict[tuple[int, int], View] = {}
        self._keep_evidence = keep_evidence
        self._scorer: FrameScorer = (
            CropScorer(models, self._scored, ahead=ahead)
            if models.card.input.frames == 1
            else ClipScorer(models, live_seconds=live_seconds)
        )
        self.faces_seconds = 0.0
        self._own_seconds = 0.0

    @property
    def classify_seconds(self) -> float:
        """Time for cutting and scoring faces so far."""
        return self._own_seconds + self._scorer.ahead_seconds

    def add(self, frame: Frame) -> Seen:
        """Find, follow and cut the faces of one frame, and score them when it is their turn.

        Returns:
            the faces that were found.
        """
        started = time.perf_counter()
        tracked = self._tracker.update(self._models.finder.find(frame.image), frame)
        self.faces_seconds += time.perf_counter() - started
        whole = Patch.whole(frame.image)
        faces = tuple((face, whole) for face in tracked)
        return self.add_found(FoundFrame(frame.index, shown_at(frame), faces))

    def add_found(self, frame: FoundFrame) -> Seen:
        """Cut the faces of one frame, found and followed elsewhere, and score them in their turn.

        Raises:
            ValueError: a patch does not show what the model looks at.
        """
        started = time.perf_counter()
        seen = self._cut(frame)
        if self._keep_evidence:
            self._keep_views(frame, seen)
        self._scorer.add(seen)
        self._own_seconds += time.perf_counter() - started
        return seen

    def begin(self) -> None:
        """No frame comes for a while: begin to score what waits, where that is done ahead."""
        started = time.perf_counter()
        self._scorer.begin()
        self._own_seconds += time.perf_counter() - started

    def records(self) -> list[FrameRecord]:
        """What was seen since the last call, every face scored."""
        started = time.perf_counter()
        records = self._scorer.records()
        self._own_seconds += time.perf_counter() - started
        return records

    def evidence(
        self,
        *,
        heat_of: int | None = None,
        map_done: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Evidence, ...]:
        """The pictures kept so far, by track and time.

        Args:
            heat_of: the track whose most suspicious faces get a heat map.
            map_done: told the number of maps made and their total after each.
        """
        items = {
            (track_id, view.evidence.frame_index): view.evidence
            for track_id, strip in self._strips.items()
            for view in strip.items
        }
        if self._suspects is not None and heat_of is not None:
            suspects = self._suspects.of(heat_of)
            for item in with_heat(suspects, self._models, lambda n: map_done(n, len(suspects))):
                items[item.track_id, item.frame_index] = item
        return tuple(item for _, item in sorted(items.items(), key=lambda entry: entry[0]))

    def _cut(self, frame: FoundFrame) -> Seen:
        """Cut what the model looks at: each face, or the frame itself where there is one."""
        contract, limits = self._models.card.crop, self._models.card.decision.quality
        sightings: list[Sighting] = []
        crops: dict[int, Kept] = {}
        for face, patch in frame.faces:
            box = crop_box(face.face.box, contract)
            looked_at, subject = box, face.track_id
            if self._models.looks_at_whole_frames:
                looked_at, subject = CropBox(0, 0, patch.frame_width, patch.frame_height), THE_FRAME
            if not (patch.shows(box) and patch.shows(looked_at)):
                raise ValueError(f"frame {frame.index}: {patch.box} does not show {looked_at}")
            quality = measure_quality(patch.visible(box))
            issues = quality_issues(face.face.box, quality, limits)
            if subject not in crops:
                whole = subject == THE_FRAME
                crop = patch.image if whole else patch.cut(box, contract.pad_value)
                crops[subject] = self._models.keep(crop)
            sightings.append(Sighting(face, subject, looked_at, issues))
        return Seen(frame.index, frame.pts_seconds, tuple(sightings), crops)

    def _keep_views(self, frame: FoundFrame, seen: Seen) -> None:
        """Keep pictures spread over each track, and, for heat maps, those of all that wait."""
        for sighting, (face, patch) in zip(seen.sightings, frame.faces, strict=True):
            make = partial(cut_view, patch, face, frame.index, frame.pts_seconds)
            self._strips.setdefault(face.track_id, Spread(EVIDENCE_PER_TRACK)).offer(make)
            if self._suspects is not None and not sighting.issues:
                self._views[face.track_id, frame.index] = make()

    def _scored(self, seen: Seen, scores: Mapping[int, Score]) -> None:
        """Keep what a heat map needs of the most suspicious faces, and let go of the others."""
        for sighting in seen.sightings:
            track_id, logit = sighting.tracked.track_id, scores[sighting.subject].logit
            view = self._views.pop((track_id, seen.index), None)
            if view is not None and self._suspects is not None:
                crop = seen.crops[sighting.subject]
                self._suspects.offer(track_id, Suspect(logit, view, sighting.crop_box, crop))


def build_verdict(
    records: Sequence[FrameRecord],
    info: MediaInfo,
    models: Models,
    timing: Timing,
    *,
    sampling: str,
    problems: Sequence[str] = (),
    frames_sampled: int | None = None,
) -> Verdict:
    """The verdict on the frames of ``records``, in order of time.

    Args:
        frames_sampled: frames that were looked at; None for those of ``records``.
    """
    decision = models.card.decision
    sampled = len(records) if frames_sampled is None else frames_sampled
    frames = {"frames_sampled": sampled, "clip_frames": models.card.input.frames}
    by_track: dict[int, list[Observation]] = {}
    for record in records:
        for track_id, observation in record.faces:
            by_track.setdefault(track_id, []).append(observation)
    tracks = tuple(
        judge_track(track_id, observations, decision, **frames)
        for track_id, observations in sorted(by_track.items())
    )
    judgement = judge_clip(tracks, decision, **frames)
    reasons = judgement.reasons + ((Reason.PARTLY_UNREADABLE,) if problems else ())
    return Verdict(
        source=SourceInfo(
            name=info.name,
            kind=info.kind,
            width=info.width,
            height=info.height,
            duration_seconds=info.duration_seconds,
            sampling=sampling,
            frames_sampled=sampled,
            frames_with_face=sum(bool(record.faces) for record in records),
            problems=tuple(problems),
        ),
        label=judgement.label,
        fake_probability=judgement.fake_probability,
        confidence=judgement.confidence,
        reasons=reasons,
        tracks=tracks,
        timeline=timeline(
            [record.pts_seconds for record in records],
            [observation for record in records for _, observation in record.faces],
        ),
        opinions=(
            Opinion(
                model=models.card.name,
                tier="edge",
                label=judgement.label,
                fake_probability=judgement.fake_probability,
            ),
        ),
        models=models.info(),
        timing=timing,
        dfedge_version=__version__,
    )


def shown_at(frame: Frame) -> float:
    """Presentation time of a frame in whole microseconds, the same wherever it is told."""
    return round(max(frame.pts_seconds, 0.0), 6)
