"""From the faces of frames to observations: which frames a model of clips is shown."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dfedge.crops import CropBox
from dfedge.frame_scorers import THE_FRAME, ClipScorer, CropScorer, FrameRecord, Seen, Sighting
from dfedge.models import Score
from dfedge.types import Box, Face, Tensor, TrackedFace
from dfedge.verdict import Reason


class ShownModels:
    """Stands in for Models: a crop's score is its grey, a clip's the mean; keeps what it saw.

    Attributes:
        clips: the grey of each frame of each clip, in order.
        runs: the number of crops in each run.
    """

    batch = 4

    def __init__(self, card: Any) -> None:
        self.card = card
        self.clips: list[list[int]] = []
        self.runs: list[int] = []

    def inputs(self, kept: Sequence[Any]) -> Tensor:
        """One number a crop, or what was made of one."""
        return np.array([crop if crop.ndim == 0 else crop[0, 0, 0] for crop in kept], np.float32)

    def scores(self, inputs: Tensor) -> list[Score]:
        """The mean grey, and a tenth of it as novelty."""
        if inputs.ndim == 1:
            self.runs.append(len(inputs))
            greys = inputs
        else:
            self.clips.extend(inputs.astype(int).tolist())
            greys = inputs.mean(axis=1)
        return [Score(float(grey), float(grey) / 10) for grey in greys]


@pytest.fixture
def models(analysis_maker: Any) -> ShownModels:
    """Of a model that takes four frames."""
    card = analysis_maker.card()
    fields = {"input": SimpleNamespace(frames=4), "decision": card.decision}
    return ShownModels(SimpleNamespace(**fields))


def seen(number: int, *subjects: int, spoilt: bool = False) -> Seen:
    """Frame `number`, shown at as many seconds; the grey of every crop is its number."""
    issues = (Reason.TOO_BLURRY,) if spoilt else ()
    crop = np.full((4, 4, 3), number, np.uint8)
    face = Face(Box(0, 0, 50, 50), 0.9, ())
    faces = tuple(
        Sighting(TrackedFace(subject, face), subject, CropBox(0, 0, 4, 4), issues)
        for subject in subjects
    )
    return Seen(number, float(number), faces, dict.fromkeys(subjects, crop))


def logits(records: Sequence[FrameRecord]) -> list[list[float]]:
    """The logits of each frame's observations."""
    return [[observation.logit for _, observation in record.faces] for record in records]


def test_crops_are_scored_in_batches_over_frames(models: Any) -> None:
    """A full batch runs at once, the rest when the records are asked for."""
    scorer = CropScorer(models, lambda frame, by_subject: None)
    for number in range(6):
        scorer.add(seen(number, 0))
    assert models.runs == [4]
    assert logits(scorer.records()) == [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    assert models.runs == [4, 2]
    assert scorer.records() == []


def test_a_frame_is_told_of_while_its_crops_are_there(models: Any) -> None:
    """The callback gets the frame and the score of each subject, once."""
    told: list[tuple[int, list[int], dict[int, Score]]] = []
    scorer = CropScorer(models, lambda s, by: told.append((s.index, [*s.crops], dict(by))))
    scorer.add(seen(7, 0, 1))
    scorer.records()
    score = Score(7.0, 7.0 / 10)
    assert told == [(7, [0, 1], {0: score, 1: score})]


def test_scores_made_ahead_are_the_same(models: Any) -> None:
    """A thread of the model's own changes neither batches nor their order, only who waits."""
    told: list[int] = []
    with ThreadPoolExecutor(1) as ahead:
        scorer = CropScorer(models, lambda frame, by: told.append(frame.index), ahead=ahead)
        for number in range(9):
            scorer.add(seen(number, 0, 1))
        scorer.begin()
        records = scorer.records()
    assert models.runs == [4, 4, 4, 4, 2]
    assert logits(records) == [[float(number)] * 2 for number in range(9)]
    assert told == list(range(9))


def test_what_fails_ahead_is_told(models: Any) -> None:
    """By the records, not by a thread that nobody hears."""

    def fail(inputs: Tensor) -> list[Score]:
        raise RuntimeError("the model failed")

    models.scores = fail
    with ThreadPoolExecutor(1) as ahead:
        scorer = CropScorer(models, lambda frame, by: None, ahead=ahead)
        scorer.add(seen(0, 0))
        scorer.begin()
        with pytest.raises(RuntimeError):
            scorer.records()


def test_novelty_reaches_the_observations(models: Any) -> None:
    """Each carries that of its crop, or of the clip it stands for, to six digits."""
    for scorer, expected in (
        (CropScorer(models, lambda frame, by_subject: None), [0.1, 0.2, 0.6, 0.7]),
        (ClipScorer(models), [0.4, 0.4, 0.4, 0.4]),
    ):
        for number in (1, 2, 6, 7):
            scorer.add(seen(number, 0))
        found = [told.novelty for record in scorer.records() for _, told in record.faces]
        assert expected == found


def test_a_clip_is_spread_evenly_over_the_track(models: Any) -> None:
    """Of twelve frames those in the middle of each quarter, or next to it, in order."""
    scorer = ClipScorer(models)
    for number in range(8):
        scorer.add(seen(number, 0))
    records = scorer.records()
    assert models.clips == [[1, 3, 5, 7]]
    assert logits(records) == [[4.0]] * 8, "every frame carries the score of the clip"


def test_a_clip_is_spread_over_the_whole_length_of_a_long_source(models: Any) -> None:
    """However many frames there are, few crops are kept and each quarter has its frame."""
    scorer = ClipScorer(models)
    for number in range(200):
        scorer.add(seen(number, 0))
    scorer.records()
    ((first, second, third, fourth),) = models.clips
    assert first < 50 <= second < 100 <= third < 150 <= fourth


def test_frames_that_do_not_count_are_left_out(models: Any) -> None:
    """They carry the score of the others; where none counts they are what there is."""
    scorer = ClipScorer(models)
    for number in range(8):
        scorer.add(seen(number, 0, spoilt=number % 2 == 0))
        scorer.add(seen(number + 100, 1, spoilt=True))
    scorer.records()
    assert models.clips == [[1, 3, 5, 7], [101, 103, 105, 107]]


def test_each_person_has_a_clip_and_the_whole_frame_has_one_for_all(models: Any) -> None:
    """A model of faces is asked for each track, a model of frames once."""
    scorer = ClipScorer(models)
    for number in range(4):
        scorer.add(seen(number, 0, *([1] if number < 2 else [])))
    scorer.records()
    assert models.clips == [[0, 1, 2, 3], [0, 0, 1, 1]], "frames repeat where there are too few"
    whole = ClipScorer(models)
    for number in range(4):
        whole.add(seen(number, THE_FRAME))
    whole.records()
    assert models.clips[2:] == [[0, 1, 2, 3]]


def test_a_frame_without_a_face_is_part_of_no_clip(models: Any) -> None:
    """It stays in the record, without an observation."""
    scorer = ClipScorer(models)
    for number in range(4):
        scorer.add(seen(2 * number, THE_FRAME))
        scorer.add(seen(2 * number + 1))
    records = scorer.records()
    assert models.clips == [[0, 2, 4, 6]]
    assert [len(record.faces) for record in records] == [1, 0] * 4


def test_a_live_clip_rolls(models: Any) -> None:
    """Each call shows the newest frames, and none from before the window."""
    scorer = ClipScorer(models, live_seconds=10.0)
    for number in range(6):
        scorer.add(seen(number, 0))
    scorer.records()
    scorer.add(seen(6, 0))
    scorer.records()
    scorer.add(seen(30, 0))
    scorer.records()
    assert models.clips == [[2, 3, 4, 5], [3, 4, 5, 6], [30, 30, 30, 30]]


def test_a_live_person_who_left_is_forgotten(models: Any) -> None:
    """Coming back after the window they start a clip of their own."""
    scorer = ClipScorer(models, live_seconds=10.0)
    scorer.add(seen(0, 0))
    scorer.records()
    scorer.add(seen(20, 1))
    assert logits(scorer.records()) == [[20.0]]
    scorer.add(seen(40, 0))
    assert logits(scorer.records()) == [[40.0]]


def test_records_may_be_asked_for_less_often_than_the_window(models: Any) -> None:
    """A frame that waited longer than the window still has a score."""
    scorer = ClipScorer(models, live_seconds=2.0)
    for number in range(0, 20, 5):
        scorer.add(seen(number, number))
    assert logits(scorer.records()) == [[0.0], [5.0], [10.0], [15.0]]
