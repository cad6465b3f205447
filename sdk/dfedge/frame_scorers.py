"""From the faces of frames to observations with scores: crop by crop, or as a clip.

What a model looks at in a frame is a *subject*: one face (numbered as its track), or the whole
frame. :class:`CropScorer` serves models of single pictures, :class:`ClipScorer` those that take
several frames at once. Both give a record for each frame, in order.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from dfedge.bundles.card import Decision
from dfedge.crops import CropBox
from dfedge.models import Kept, Models, Score
from dfedge.scoring import calibrate
from dfedge.spread import Spread, evenly
from dfedge.types import Box, Tensor, TrackedFace
from dfedge.verdict import Observation, Reason

THE_FRAME = -1
"""Subject of a model of whole frames; tracks count from 0."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face that is found and followed, and waits for its score.

    Attributes:
        subject: what the model looks at for it.
        crop_box: the part of the frame the model sees.
        issues: why the face cannot be judged here; empty when it can.
    """

    tracked: TrackedFace
    subject: int
    crop_box: CropBox
    issues: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame whose faces wait for their scores; of its picture only the crops are left."""

    index: int
    pts_seconds: float
    sightings: tuple[Sighting, ...]
    crops: Mapping[int, Kept]
    """By subject."""

    def is_usable(self, subject: int) -> bool:
        """Whether a face of the subject can be judged in this frame."""
        return any(face.subject == subject and not face.issues for face in self.sightings)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What was seen in one sampled frame: its time and each (track, observation)."""

    pts_seconds: float
    faces: tuple[tuple[int, Observation], ...]


ScoredCallback: TypeAlias = Callable[[Seen, Mapping[int, Score]], None]
"""Told of a frame and the score of each subject, while the crops are still there."""


class FrameScorer(Protocol):
    """Scores the faces of the frames of one source, in order.

    Attributes:
        ahead_seconds: work of the model that nobody waited for.
    """

    ahead_seconds: float

    def add(self, seen: Seen) -> None:
        """Take the next frame."""

    def begin(self) -> None:
        """No frame comes for a while: let the model work on what waits, where it can ahead."""

    def records(self) -> list[FrameRecord]:
        """What was seen since the last call, every face scored."""


class CropScorer:
    """For models of single pictures.

    Crops are scored in batches of several frames, which two cores do in two thirds of the time.

    Args:
        scored: told of each frame, in order, by the thread that calls this scorer.
        ahead: a thread for the model, so that the next frames can be got ready while it works; one
            batch is under way at most. None: whoever adds a frame waits.
    """

    def __init__(
        self, models: Models, scored: ScoredCallback, *, ahead: Executor | None = None
    ) -> None:
        self._models = models
        self._scored = scored
        self._ahead = ahead
        self._waiting: list[Seen] = []
        self._scoring: list[Seen] = []
        self._runs: list[Callable[[], _Run]] = []
        self._records: list[FrameRecord] = []
        self.ahead_seconds = 0.0

    def add(self, seen: Seen) -> None:
        """Take the next frame; score what waits when a batch is full."""
        if self._ahead is not None:  # then there is time now, and less of it once a batch is full
            seen = replace(seen, crops=self._inputs(seen.crops))
        self._waiting.append(seen)
        if sum(len(waiting.crops) for waiting in self._waiting) >= self._models.batch:
            self._score_waiting()

    def begin(self) -> None:
        """No frame comes for a while: let the model work on what waits, where it can ahead."""
        if self._ahead is not None:
            self._score_waiting()

    def records(self) -> list[FrameRecord]:
        """What was seen since the last call, every face scored."""
        self._score_waiting()
        self._take_scores()
        records, self._records = self._records, []
        return records

    def _inputs(self, crops: Mapping[int, Kept]) -> dict[int, Kept]:
        return {subject: self._models.inputs([crop])[0] for subject, crop in crops.items()}

    def _score_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        crops = [crop for seen in waiting for crop in seen.crops.values()]
        runs: list[Callable[[], _Run]] = []
        for start in range(0, len(crops), self._models.batch):
            inputs = self._models.inputs(crops[start : start + self._models.batch])
            self._take_scores()
            if runs:
                runs[-1]()
            runs.append(self._run(inputs))
        self._take_scores()
        self._scoring, self._runs = waiting, runs
        if self._ahead is None:
            self._take_scores()

    def _run(self, inputs: Tensor) -> Callable[[], _Run]:
        """Put a batch before the model; what is given waits for the scores."""
        run = partial(_timed_scores, self._models, inputs)
        if self._ahead is not None:
            return self._ahead.submit(run).result
        done = run()
        return lambda: done

    def _take_scores(self) -> None:
        """Wait for what is under way, and make records of it."""
        scoring, self._scoring = self._scoring, []
        started = time.perf_counter()
        runs, self._runs = [run() for run in self._runs], []
        if self._ahead is not None:
            waited = time.perf_counter() - started
            self.ahead_seconds += max(0.0, sum(run.seconds for run in runs) - waited)
        scores = iter([score for run in runs for score in run.scores])
        for seen in scoring:
            by_subject = {subject: next(scores) for subject in seen.crops}
            self._records.append(_record(seen, by_subject, self._models.card.decision))
            self._scored(seen, by_subject)


class _Run(NamedTuple):
    """One batch that was put before the model."""

    scores: list[Score]
    seconds: float


def _timed_scores(models: Models, inputs: Tensor) -> _Run:
    started = time.perf_counter()
    return _Run(models.scores(inputs), time.perf_counter() - started)


class ClipScorer:
    """For models that take several frames at once.

    Each subject has one clip: as many frames as the model takes, evenly spread over those in which
    a face of it can be judged (over all of them when none can), repeated where there are too few.
    Every observation of the subject carries the score of that clip. At most four times as many
    crops are kept as the model takes, however long the source.

    Args:
        live_seconds: None for a source with an end, whose records are asked for once. For a live
            one the clip rolls: it has the newest frames, none older than this.
    """

    def __init__(self, models: Models, *, live_seconds: float | None = None) -> None:
        self._models = models
        self._live_seconds = live_seconds
        self._clips: dict[int, _Clip] = {}
        self._waiting: list[Seen] = []
        self.ahead_seconds = 0.0

    def add(self, seen: Seen) -> None:
        """Take the next frame; those of its crops that may be part of a clip are kept."""
        for subject, crop in seen.crops.items():
            clip = self._clips.get(subject) or self._clips.setdefault(subject, self._new_clip())
            row = clip.usable if seen.is_usable(subject) else clip.spoilt
            row.offer(partial(_Moment, seen.pts_seconds, crop))
        self._waiting.append(replace(seen, crops={}))

    def begin(self) -> None:
        """Nothing to do: a clip is scored once all its frames are there."""

    def records(self) -> list[FrameRecord]:
        """What was seen since the last call, each subject's clip scored as it is now."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        since = -math.inf
        if self._live_seconds is not None:
            newest = waiting[-1].pts_seconds
            since = min(newest - self._live_seconds, waiting[0].pts_seconds)
        self._clips = {subject: clip for subject, clip in self._clips.items() if clip.frames(since)}
        subjects = {face.subject for seen in waiting for face in seen.sightings}
        scores = {subject: self._score(self._clips[subject].frames(since)) for subject in subjects}
        return [_record(seen, scores, self._models.card.decision) for seen in waiting]

    def _score(self, frames: Sequence[Kept]) -> Score:
        places = evenly(len(frames), self._models.card.input.frames)
        clip = self._models.inputs([frames[place] for place in places])[np.newaxis]
        return self._models.scores(clip)[0]

    def _new_clip(self) -> _Clip:
        frames = self._models.card.input.frames
        if self._live_seconds is None:
            return _Clip(Spread(2 * frames), Spread(2 * frames))
        return _Clip(_Newest(frames), _Newest(frames))


class _Moment(NamedTuple):
    """A crop and when it is from."""

    pts_seconds: float
    crop: Kept


class _Row(Protocol):
    """A bounded row of moments."""

    @property
    def items(self) -> Sequence[_Moment]: ...

    def offer(self, make: Callable[[], _Moment]) -> None: ...


class _Newest:
    """The last ``most`` moments."""

    def __init__(self, most: int) -> None:
        self.items: deque[_Moment] = deque(maxlen=most)

    def offer(self, make: Callable[[], _Moment]) -> None:
        self.items.append(make())


@dataclass(frozen=True, slots=True)
class _Clip:
    """What may be put before the model of one subject: frames that count, and the others."""

    usable: _Row
    spoilt: _Row

    def frames(self, since: float) -> list[Kept]:
        """The frames that count, from a time on; the others where none does."""
        for row in (self.usable, self.spoilt):
            frames = [moment.crop for moment in row.items if moment.pts_seconds >= since]
            if frames:
                return frames
        return []


def _record(seen: Seen, scores: Mapping[int, Score], decision: Decision) -> FrameRecord:
    """The observations of a frame, from the score of each subject."""
    return FrameRecord(
        seen.pts_seconds,
        tuple(
            (face.tracked.track_id, _observe(seen, face, scores[face.subject], decision))
            for face in seen.sightings
        ),
    )


def _observe(seen: Seen, sighting: Sighting, score: Score, decision: Decision) -> Observation:
    face = sighting.tracked.face
    box = face.box
    return Observation(
        pts_seconds=seen.pts_seconds,
        frame_index=seen.index,
        box=Box(*(round(edge, 2) for edge in (box.left, box.top, box.right, box.bottom))),
        detection_score=round(face.score, 6),
        logit=round(score.logit, 6),
        fake_probability=round(calibrate(score.logit, decision.calibration), 6),
        novelty=None if score.novelty is None else round(score.novelty, 6),
        issues=sighting.issues,
    )
