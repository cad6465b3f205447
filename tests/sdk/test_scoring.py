"""From logits to labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs

from dfedge.bundles.card import (
    Calibration,
    Decision,
    NoveltyLimit,
    OperatingPoint,
    Output,
    Quality,
)
from dfedge.crops import CropQuality
from dfedge.scoring import (
    aggregate,
    calibrate,
    fake_logits,
    judge_clip,
    judge_probability,
    judge_track,
    quality_issues,
    timeline,
    usable_frames_needed,
)
from dfedge.types import Box
from dfedge.verdict import Label, Observation, Reason, TrackVerdict

BOX = Box(10, 10, 110, 130)
DECISION = Decision(
    calibration=Calibration(fitted_on="tests"),
    fake=OperatingPoint(threshold=0.8, meaning="tests"),
    real=OperatingPoint(threshold=0.2, meaning="tests"),
    quality=Quality(min_face_pixels=40, min_sharpness=5, min_brightness=20, max_brightness=240),
    min_usable_frames=3,
)


def observation(logit: float, *, pts: float = 0.0, issues: tuple[Reason, ...] = ()) -> Observation:
    """A face seen at ``pts`` seconds with the given logit."""
    return Observation(
        pts_seconds=pts,
        frame_index=int(pts * 10),
        box=BOX,
        detection_score=0.9,
        logit=logit,
        fake_probability=calibrate(logit, DECISION.calibration),
        issues=issues,
    )


def track(track_id: int, logits: list[float], *, frames_sampled: int = 10) -> TrackVerdict:
    """A person with one usable observation a logit."""
    seen = [observation(logit, pts=i / 10) for i, logit in enumerate(logits)]
    return judge_track(track_id, seen, DECISION, frames_sampled=frames_sampled)


def test_a_sigmoid_output_is_its_own_log_odds() -> None:
    """A single logit passes through unchanged."""
    output = Output(name="logits", classes=("fake",), fake_index=0, activation="sigmoid")
    logits = np.array([[1.5], [-2.0]], dtype=np.float32)
    assert fake_logits(logits, output).tolist() == [1.5, -2.0]


@pytest.mark.parametrize("fake_index", [0, 1, 2])
def test_a_softmax_output_becomes_log_odds_of_fake(fake_index: int) -> None:
    """The sigmoid of the log-odds is the softmax probability of the class, even for huge logits."""
    output = Output(
        name="logits", classes=("a", "b", "c"), fake_index=fake_index, activation="softmax"
    )
    logits = np.array([[0.3, -1.2, 2.0], [900.0, 899.0, 898.5]], dtype=np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = (shifted / shifted.sum(axis=1, keepdims=True))[:, fake_index]
    odds = fake_logits(logits, output)
    assert (1 / (1 + np.exp(-odds))) == pytest.approx(expected, abs=1e-6)


def test_several_sigmoids_are_set_against_each_other() -> None:
    """P(fake) is the sigmoid of fake over the sum of all: above half when it is the larger."""
    output = Output(name="logits", classes=("fake", "real"), fake_index=0, activation="sigmoid")
    logits = np.array([[2.0, -1.0], [0.1, 0.2], [-800.0, 700.0]], dtype=np.float64)
    shares = 1 / (1 + np.exp(-logits[:2]))
    odds = fake_logits(logits, output)
    assert 1 / (1 + np.exp(-odds[:2])) == pytest.approx(shares[:, 0] / shares.sum(axis=1))
    assert odds[2] == pytest.approx(-800.0)


def test_calibration_divides_by_temperature_then_adds_bias() -> None:
    """P(fake) = sigmoid(logit / temperature + bias)."""
    calibration = Calibration(temperature=2.0, bias=-0.5, fitted_on="tests")
    assert calibrate(3.0, calibration) == pytest.approx(1 / (1 + math.exp(-1.0)))


@pytest.mark.parametrize(("logit", "expected"), [(1e6, 1.0), (-1e6, 0.0)])
def test_calibration_never_overflows(logit: float, expected: float) -> None:
    """Extreme logits give a probability of 0 or 1, not an error."""
    assert calibrate(logit, Calibration(fitted_on="tests")) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probability", "label", "confidence"),
    [
        (0.8, Label.FAKE, 0.8),
        (0.95, Label.FAKE, 0.95),
        (0.2, Label.REAL, 0.8),
        (0.0, Label.REAL, 1.0),
        (0.21, Label.UNCERTAIN, None),
        (0.79, Label.UNCERTAIN, None),
    ],
)
def test_thresholds_belong_to_their_labels(
    probability: float, label: Label, confidence: float | None
) -> None:
    """Both thresholds are inclusive, and between them no side is taken."""
    judgement = judge_probability(probability, DECISION)
    assert (judgement.label, judgement.confidence) == (label, confidence)


@pytest.mark.parametrize(
    ("box", "sharpness", "brightness", "expected"),
    [
        (BOX, 50, 120, ()),
        (Box(0, 0, 39, 60), 50, 120, (Reason.FACE_TOO_SMALL,)),
        (BOX, 4.9, 120, (Reason.TOO_BLURRY,)),
        (BOX, 50, 19, (Reason.TOO_DARK,)),
        (BOX, 50, 241, (Reason.TOO_BRIGHT,)),
        (Box(0, 0, 10, 10), 0, 0, (Reason.FACE_TOO_SMALL, Reason.TOO_BLURRY, Reason.TOO_DARK)),
    ],
)
def test_quality_limits_are_reasons(
    box: Box, sharpness: float, brightness: float, expected: tuple[Reason, ...]
) -> None:
    """Each limit of the card that a face misses is named."""
    crop = CropQuality(sharpness=sharpness, brightness=brightness)
    assert quality_issues(box, crop, DECISION.quality) == expected


def test_a_track_is_judged_by_the_mean_logit_of_its_usable_frames() -> None:
    """Frames with issues do not count as long as others do."""
    seen = [observation(4.0), observation(2.0), observation(3.0)]
    spoilt = observation(-50.0, issues=(Reason.TOO_BLURRY,))
    verdict = judge_track(0, [*seen, spoilt], DECISION, frames_sampled=4)
    assert verdict.label is Label.FAKE
    assert verdict.fake_probability == pytest.approx(calibrate(3.0, DECISION.calibration))
    assert verdict.usable_frames == 3


def test_a_card_may_ask_for_the_mean_of_probabilities() -> None:
    """Then calibration comes after the mean: GenConViT averages sigmoids over frames."""
    decision = structs.replace(
        DECISION,
        frame_aggregation="mean_probability",
        calibration=Calibration(temperature=2.0, bias=0.5, fitted_on="tests"),
    )
    logits = [4.0, -1.0, 0.5]
    verdict = judge_track(0, [observation(x) for x in logits], decision, frames_sampled=3)
    mean = sum(1 / (1 + math.exp(-x)) for x in logits) / 3
    expected = calibrate(math.log(mean / (1 - mean)), decision.calibration)
    assert verdict.fake_probability == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([900.0, 900.0], 900.0),
        ([-900.0, -900.0], -900.0),
        ([900.0, -900.0], 0.0),
        ([900.0, 900.0, -900.0], math.log(2)),
        ([2.0], 2.0),
    ],
)
def test_the_mean_of_probabilities_is_exact_where_they_are_0_and_1(
    logits: list[float], expected: float
) -> None:
    """No log of zero, and nothing is cut off."""
    assert aggregate(logits, "mean_probability") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("clip_frames", "asked_by_the_card", "expected"),
    [(1, 5, 5), (12, 1, 6), (12, 9, 9), (7, 1, 4), (2, 1, 1)],
)
def test_a_model_of_clips_needs_half_of_its_frames(
    clip_frames: int, asked_by_the_card: int, expected: int
) -> None:
    """Rounded up, or more where the card asks for more."""
    decision = structs.replace(DECISION, min_usable_frames=asked_by_the_card)
    assert usable_frames_needed(decision, clip_frames) == expected


def test_of_a_single_picture_a_model_of_clips_says_too_few_frames() -> None:
    """A picture repeated is no clip; the number stays, without a label."""
    seen = [observation(9.0)]
    verdict = judge_track(0, seen, DECISION, frames_sampled=1, clip_frames=4)
    assert (verdict.label, verdict.reasons) == (Label.UNCERTAIN, (Reason.TOO_FEW_FRAMES,))
    judgement = judge_clip([verdict], DECISION, frames_sampled=1, clip_frames=4)
    assert judgement.label is Label.UNCERTAIN


def test_too_few_usable_frames_are_uncertain_however_high_the_score() -> None:
    """The reasons name the lack of frames and what spoilt the others, most frequent first."""
    seen = [
        observation(9.0),
        observation(9.0, issues=(Reason.TOO_DARK,)),
        observation(9.0, issues=(Reason.TOO_BLURRY,)),
        observation(9.0, issues=(Reason.TOO_BLURRY,)),
    ]
    verdict = judge_track(0, seen, DECISION, frames_sampled=4)
    assert verdict.label is Label.UNCERTAIN
    assert verdict.confidence is None
    assert verdict.reasons == (Reason.TOO_FEW_FRAMES, Reason.TOO_BLURRY, Reason.TOO_DARK)


def test_of_a_single_picture_one_usable_frame_is_enough() -> None:
    """A still is judged although a video would need more frames."""
    assert track(0, [5.0], frames_sampled=1).label is Label.FAKE


def test_a_clip_is_as_suspicious_as_its_most_suspicious_person_with_enough_frames() -> None:
    """A person with too few frames cannot accuse the clip."""
    honest, forged, glimpsed = track(0, [-4.0] * 5), track(1, [3.0] * 5), track(2, [9.0])
    judgement = judge_clip([honest, forged, glimpsed], DECISION, frames_sampled=10)
    assert judgement.label is Label.FAKE
    assert judgement.fake_probability == forged.fake_probability


def test_a_clip_where_nobody_has_enough_frames_is_uncertain() -> None:
    """The highest probability found is still reported."""
    low, high = track(0, [-2.0]), track(1, [2.0])
    judgement = judge_clip([low, high], DECISION, frames_sampled=10)
    assert judgement.label is Label.UNCERTAIN
    assert judgement.fake_probability == high.fake_probability


def test_a_clip_without_faces_has_no_number() -> None:
    """NO_FACE carries neither a probability nor a confidence."""
    judgement = judge_clip([], DECISION, frames_sampled=10)
    assert judgement.label is Label.NO_FACE
    assert (judgement.fake_probability, judgement.confidence) == (None, None)
    assert judgement.reasons == (Reason.NO_FACE,)


def test_the_timeline_shows_the_worst_face_of_each_sampled_frame() -> None:
    """Frames without a face stay in the timeline, without a number."""
    seen = [observation(-1.0, pts=0.0), observation(2.0, pts=0.0), observation(0.0, pts=1.0)]
    points = timeline([0.0, 0.5, 1.0], seen)
    assert [point.pts_seconds for point in points] == [0.0, 0.5, 1.0]
    assert points[0].fake_probability == pytest.approx(calibrate(2.0, DECISION.calibration))
    assert points[1].fake_probability is None
    assert points[2].fake_probability == 0.5


NOVELTY = NoveltyLimit(output="novelty", threshold=1.5, meaning="tests")
WARY = structs.replace(DECISION, novelty=NOVELTY)


def strange(
    track_id: int, logit: float, *novelties: float, decision: Decision = WARY
) -> TrackVerdict:
    """A person seen in a frame for each novelty, with the same logit in all."""
    seen = [
        structs.replace(observation(logit, pts=index / 10), novelty=value)
        for index, value in enumerate(novelties)
    ]
    return judge_track(track_id, seen, decision, frames_sampled=len(novelties))


@pytest.mark.parametrize("logit", [-5.0, 0.0, 5.0])
def test_a_face_the_model_does_not_know_is_uncertain(logit: float) -> None:
    """Whatever the score, a mean novelty above the limit gives no label, and says why."""
    verdict = strange(0, logit, 1.4, 1.5, 1.7)
    assert Label.UNCERTAIN is verdict.label
    assert (Reason.OUT_OF_DISTRIBUTION,) == verdict.reasons
    assert verdict.confidence is None
    assert pytest.approx(4.6 / 3, abs=1e-6) == verdict.novelty
    assert pytest.approx(1 / (1 + math.exp(-logit))) == verdict.fake_probability


def test_one_strange_frame_does_not_spoil_a_person() -> None:
    """The mean counts, and at the limit itself the face is still known."""
    assert Label.FAKE is strange(0, 5.0, 1.0, 1.0, 2.0).label
    assert Label.FAKE is strange(0, 5.0, 1.5, 1.5, 1.5).label


def test_a_single_strange_picture_is_uncertain() -> None:
    """A still is judged by the novelty of its one frame."""
    verdict = strange(0, 5.0, 1.6)
    assert (Label.UNCERTAIN, (Reason.OUT_OF_DISTRIBUTION,)) == (verdict.label, verdict.reasons)


def test_frames_that_do_not_count_do_not_make_a_face_strange() -> None:
    """Only usable frames enter the mean; a track of too few says that instead."""
    seen = [structs.replace(observation(5.0), novelty=1.0) for _ in range(3)]
    blurred = structs.replace(observation(5.0, issues=(Reason.TOO_BLURRY,)), novelty=9.0)
    verdict = judge_track(0, [*seen, blurred], WARY, frames_sampled=4)
    assert (Label.FAKE, 1.0) == (verdict.label, verdict.novelty)
    spoilt = judge_track(0, [seen[0], blurred, blurred], WARY, frames_sampled=4)
    assert (Reason.TOO_FEW_FRAMES, Reason.TOO_BLURRY) == spoilt.reasons


def test_novelty_that_is_no_number_is_strange() -> None:
    """Broken arithmetic is no reason to trust a score."""
    assert Label.UNCERTAIN is strange(0, 5.0, math.nan, 1.0, 1.0).label


def test_a_card_without_a_limit_judges_by_the_score() -> None:
    """A graph may tell a novelty that its card sets no limit on."""
    assert Label.FAKE is strange(0, 5.0, 9.0, 9.0, 9.0, decision=DECISION).label
    assert track(0, [5.0, 5.0, 5.0]).novelty is None


@pytest.mark.parametrize(
    ("others", "expected"), [((5.0, 1.0), Label.FAKE), ((-5.0, 1.0), Label.UNCERTAIN)]
)
def test_a_strange_face_neither_hides_a_fake_nor_is_passed_over(
    others: tuple[float, float], expected: Label
) -> None:
    """Beside a strange face a fake one makes the clip FAKE, a genuine one leaves it UNCERTAIN."""
    logit, novelty = others
    for strange_logit in (-9.0, 9.0):
        people = [strange(0, strange_logit, 3.0, 3.0, 3.0), strange(1, logit, *[novelty] * 3)]
        assert expected is judge_clip(people, WARY, frames_sampled=3).label
