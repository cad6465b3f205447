"""Figures of agreement, and what limits say of them."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge_tools.faceset import FaceSet
from dfedge_tools.fidelity import (
    EXACT,
    Floats,
    Limits,
    agreement,
    clip_agreement,
    clip_log_odds,
)

LOGITS = np.array([-2.0, -1.0, -0.1, 0.1, 1.0, 2.0])


@pytest.fixture(scope="module")
def card(atto_bundle: Bundle) -> DetectorCard:
    """REAL up to 0.4, FAKE from 0.6, calibration 1 and 0."""
    assert isinstance(atto_bundle.card, DetectorCard)
    return atto_bundle.card


def faces(labels: list[int] | None = None, clips: str = "abcdef") -> FaceSet:
    """Six inputs that nobody looks at."""
    return FaceSet(
        inputs=np.zeros((6, 3, 1, 1), np.float32),
        labels=None if labels is None else np.asarray(labels),
        clips=tuple(clips),
        data="six faces",
    )


def test_the_figures_are_those_of_a_calculation_by_hand(card: DetectorCard) -> None:
    """One logit of six crosses zero, into the label FAKE (0.622)."""
    after = LOGITS.copy()
    after[2] = 0.5
    found = agreement(LOGITS, after, faces(), card)
    assert found.count == 6
    assert found.max_logit_error == pytest.approx(0.6)
    assert found.mean_logit_error == pytest.approx(0.1)
    assert found.sign_agreement == pytest.approx(5 / 6)
    assert found.label_agreement == pytest.approx(5 / 6)
    change = 1 / (1 + math.exp(-0.5)) - 1 / (1 + math.exp(0.1))
    assert found.max_probability_change == pytest.approx(change)
    assert found.logit_correlation == pytest.approx(np.corrcoef(LOGITS, after)[0, 1])
    assert (found.auc, found.auc_change, found.calibration_change) == (None, None, None)


def test_auc_and_calibration_need_both_labels(card: DetectorCard) -> None:
    """With them the change is the candidate's less the reference's."""
    assert agreement(LOGITS, LOGITS, faces([1] * 6), card).auc is None
    found = agreement(LOGITS, -LOGITS, faces([0, 0, 0, 1, 1, 1]), card)
    assert found.auc == (1.0, 0.0)
    assert found.auc_change == -1.0
    assert found.calibration_change is not None
    assert found.calibration_change > 0


def test_each_may_be_judged_by_its_own_card(card: DetectorCard) -> None:
    """A bias in the candidate's calibration changes labels, and no logit."""
    calibration = msgspec.structs.replace(card.decision.calibration, bias=1.0)
    decision = msgspec.structs.replace(card.decision, calibration=calibration)
    other = msgspec.structs.replace(card, decision=decision)
    found = agreement(LOGITS, LOGITS, faces(), card, candidate_card=other)
    assert found.max_logit_error == 0
    assert found.label_agreement == pytest.approx(3 / 6)  # -1, -0.1 and 0.1 move up


def test_a_clip_is_the_mean_of_its_frames_by_the_rule_of_the_card(card: DetectorCard) -> None:
    """Of logits, or of probabilities; clips in order of first appearance."""
    mean = clip_log_odds(LOGITS, "bbaaba", card.decision)
    np.testing.assert_allclose(mean, [-2 / 3, 2 / 3])
    decision = msgspec.structs.replace(card.decision, frame_aggregation="mean_probability")
    by_probability = clip_log_odds(LOGITS, "bbaaba", decision)
    p = 1 / (1 + np.exp(-LOGITS))
    share = p[[0, 1, 4]].mean()
    assert by_probability[0] == pytest.approx(math.log(share / (1 - share)))


def test_clips_are_compared_where_there_are_any(card: DetectorCard) -> None:
    """With the label of their frames; None where each input stands alone."""
    after = LOGITS + np.array([1, -1, 0, 0, 0, 0])  # evens out over the clip
    found = clip_agreement(LOGITS, after, faces([0, 0, 0, 1, 1, 1], "aaabbb"), card)
    assert found is not None
    assert (found.count, found.data) == (2, "2 clips: six faces")
    assert found.max_logit_error == pytest.approx(0)
    assert found.auc == (1.0, 1.0)
    assert clip_agreement(LOGITS, after, faces(), card) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_passes_no_limit(value: float, card: DetectorCard) -> None:
    """And is null in JSON, which has no other word for it."""
    after = LOGITS.copy()
    after[0] = value
    found = agreement(LOGITS, after, faces(), card)
    assert Limits().failures(found) != ()
    assert EXACT.failures(found) != ()
    json.dumps(found.as_json(), allow_nan=False)


def test_a_limit_is_kept_up_to_its_value(card: DetectorCard) -> None:
    """Equal is kept; the sentence says what is over or under, and by how much."""
    after: Floats = LOGITS + 0.5
    found = agreement(LOGITS, after, faces(), card)
    none = dict.fromkeys(Limits.__slots__)
    assert Limits(**none).failures(found) == ()
    assert Limits(**{**none, "max_logit_error": found.max_logit_error}).failures(found) == ()
    assert Limits(**{**none, "max_logit_error": 0.1}).failures(found) == (
        "logit error is 0.5, over 0.1",
    )
    assert Limits(**{**none, "min_label_agreement": 0.98}).failures(found) == (
        "label agreement is 0.833333, under 0.98",
    )


def test_what_was_not_measured_is_not_held_against_it(card: DetectorCard) -> None:
    """No labels, no AUC: its check has no value and is neither kept nor broken."""
    found = agreement(LOGITS, LOGITS, faces(), card)
    checks = {check.name: check for check in Limits().checks(found)}
    assert checks["max_auc_change"].value is None
    assert checks["max_auc_change"].kept is None
    assert checks["max_logit_error"].kept is None  # no limit
    assert checks["min_correlation"].kept is True


def test_an_improvement_of_calibration_is_no_failure(card: DetectorCard) -> None:
    """A change of AUC is, either way: it says that faces are ranked differently."""
    labels = [1, 1, 1, 0, 0, 0]
    better = agreement(LOGITS, -LOGITS, faces(labels), card)
    none = dict.fromkeys(Limits.__slots__)
    assert Limits(**{**none, "max_calibration_change": 0.0}).failures(better) == ()
    assert Limits(**{**none, "max_auc_change": 0.5}).failures(better) == (
        "AUC change is 1, over 0.5",
    )


def test_a_reference_that_does_not_vary_correlates_with_its_equal_only(card: DetectorCard) -> None:
    """Pearson's coefficient is undefined there."""
    flat = np.ones(6)
    assert agreement(flat, flat, faces(), card).logit_correlation == 1.0
    assert agreement(flat, LOGITS, faces(), card).logit_correlation == 0.0
