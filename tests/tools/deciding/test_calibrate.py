"""From scores to a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge.verdict import Reason
from dfedge_tools.deciding.calibrate import decide, percent
from dfedge_tools.deciding.conformal import Share
from dfedge_tools.deciding.promises import Limits
from dfedge_tools.deciding.sweep import choices, sweep
from dfedge_tools.deciding.table import render
from dfedge_tools.evaluating.scores import Scored

ScoreMaker = Callable[..., list[Scored]]


def test_weak_scores_are_unsure(scores_of: ScoreMaker) -> None:
    """Scores that tell nothing leave most clips in the unsure band."""
    numbers = decide(scores_of(0.1), fitted_on="test")
    assert numbers.real.threshold < numbers.fake.threshold
    for group in ("clip original", "clip Deepfakes"):
        assert numbers.shares[group]["UNCERTAIN"] > 0.75


def test_good_scores_decide(scores_of: ScoreMaker) -> None:
    """Scores far apart leave nothing unsure, and the threshold lies between them."""
    numbers = decide(scores_of(12.0), fitted_on="test")
    assert 1.0 == numbers.shares["clip Deepfakes"]["FAKE"]
    assert 1.0 == numbers.shares["clip original"]["REAL"]
    assert pytest.approx(0.5, abs=1e-5) == numbers.fake.threshold


def test_every_source_of_stills_keeps_its_own_limit(scores_of: ScoreMaker) -> None:
    """A source whose genuine stills score high raises the threshold for all, and is named."""
    frames = scores_of(8.0)
    odd = [Scored(f"o{n}", 0, "original", "", "scut", "held", 3.0 + n / 100) for n in range(40)]
    plain = decide(frames, fitted_on="test")
    guarded = decide([*frames, *odd], Limits(still_false_alarms=0.5), fitted_on="test")
    assert guarded.fake.threshold > plain.fake.threshold
    assert guarded.shares["still scut"]["FAKE"] <= 0.04
    assert "stills of scut" == guarded.promises[0].group
    assert 1.0 == guarded.unseen_sources["stills of scut"].value


def test_a_promise_is_widened_to_what_the_people_support(scores_of: ScoreMaker) -> None:
    """Fifty people cannot support 1%: 1 in 51 is promised, and said to be."""
    numbers = decide(scores_of(3.0, people=50, stills=0), fitted_on="test")
    promise = numbers.promises[0]
    assert promise.is_widened
    assert pytest.approx(1 / 51) == promise.made
    assert any("1 in 51, 2%" in said for said in numbers.problems)
    assert "at most 2% of genuine clips" in numbers.fake.meaning


def test_a_promise_that_is_supported_is_no_problem(scores_of: ScoreMaker) -> None:
    """With enough people what was asked for is promised, and the check bears it out."""
    limits = Limits(false_alarms=0.05, still_false_alarms=0.05, source_false_alarms=0.05)
    numbers = decide(scores_of(3.0, people=60, stills=120), limits, fitted_on="test")
    assert () == numbers.problems
    assert [0.05] * 5 == [promise.made for promise in numbers.promises]
    assert all(promise.kept.low <= 0.05 for promise in numbers.promises)


def test_clips_of_one_person_do_not_pass_for_many(scores_of: ScoreMaker) -> None:
    """The same clips under three names support a promise of 1 in 4 only."""
    frames = [
        replace(frame, identity=str(int(frame.identity or 0) % 3)) if frame.identity else frame
        for frame in scores_of(3.0, people=30, stills=0)
    ]
    numbers = decide(frames, fitted_on="test")
    assert (30, 3, 0.25) == tuple(
        getattr(numbers.promises[0], name) for name in ("count", "identities", "made")
    )


def test_a_contradicted_promise_is_told(scores_of: ScoreMaker) -> None:
    """Where surely more people break it than was promised, that is a problem, widened or not."""
    numbers = decide(scores_of(3.0), fitted_on="test")
    kept = Share(value=0.2, low=0.11, high=0.3, count=60, identities=60)
    broken = replace(numbers.promises[0], made=0.1, kept=kept)
    assert broken.fails
    assert not replace(broken, made=0.12).fails
    assert "on people left out 20%" in replace(numbers, promises=(broken,)).problems[0]


def test_training_and_unusable_frames_are_left_out(scores_of: ScoreMaker) -> None:
    """Neither may move a number, and both are told of."""
    frames = scores_of(3.0)
    plain = decide(frames, fitted_on="test")
    learnt = Scored("t", 0, "original", "", "x", "train", 50.0)
    spoilt = replace(frames[0], video_id="v", logit=50.0, issues=(Reason.TOO_BLURRY,))
    more = decide([*frames, learnt, spoilt], fitted_on="test")
    assert (plain.fake, plain.real, plain.shares) == (more.fake, more.real, more.shares)
    assert ["1 videos without", "1 videos of split train"] == [
        note[: len(start)]
        for note, start in zip(
            more.notes, ("1 videos without", "1 videos of split train"), strict=True
        )
    ]


def test_scores_of_one_class_are_refused(scores_of: ScoreMaker) -> None:
    """Without fakes there is nothing to decide; the message counts what there is."""
    with pytest.raises(UsageError, match="0 fake and 50 genuine"):
        decide([frame for frame in scores_of(3.0) if frame.label == 0], fitted_on="test")


def test_a_table_without_identities_says_so(scores_of: ScoreMaker) -> None:
    """Then every video counts as a person, which is too hopeful."""
    numbers = decide([replace(f, identity="") for f in scores_of(3.0)], fitted_on="test")
    assert any("no identities" in note for note in numbers.notes)


def test_the_usual_thresholds_of_a_sweep() -> None:
    """Each choice is the best by its own measure, on counts that can be done by hand."""
    stated = np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])
    labels = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    found = sweep(stated, labels, np.array([0.05, 0.65]))
    named = {choice.name: choice for choice in choices(found, low_false_alarms=0.01)}
    assert 0.3 == named["best F1"].threshold
    assert pytest.approx(6 / 7) == named["best F1"].f1
    assert (0.7, 0.0, 0.0) == (
        named["low false alarms"].threshold,
        named["low false alarms"].false_alarms,
        named["low false alarms"].still_alarms,
    )
    assert pytest.approx(2 / 3) == named["best product"].product
    assert pytest.approx(5 / 6) == named["best balanced accuracy"].balanced_accuracy
    assert 0.5 == named["best F1"].still_alarms


def test_no_threshold_without_false_alarms_is_no_choice() -> None:
    """Where the highest score is a genuine clip's there is no low false alarm rate to choose."""
    found = sweep(np.array([0.2, 0.9]), np.array([1.0, 0.0]), np.empty(0))
    names = [choice.name for choice in choices(found, low_false_alarms=0.01)]
    assert "low false alarms" not in names
    assert choices(found, low_false_alarms=0.01)[0].still_alarms is None


def test_the_text_tells_promise_and_check(scores_of: ScoreMaker) -> None:
    """A reader sees what was asked, what is promised and what was found."""
    text = render(decide(scores_of(3.0), fitted_on="test"))
    assert "genuine clips" in text
    assert "stills of meb" in text
    assert "best product" in text
    assert "note: genuine clips: 1% was asked for" in text


@pytest.mark.parametrize(
    ("share", "said"), [(0.01, "1%"), (1 / 13, "7.7%"), (0.004, "0.4%"), (0.25, "25%"), (1, "100%")]
)
def test_shares_are_told_with_digits_that_mean_something(share: float, said: str) -> None:
    """Two digits under a tenth, whole percents above."""
    assert said == percent(share)
