"""Several opinions to one."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from dfedge.escalation.wire import Thresholds
from dfedge.verdict import Label, ModelInfo, Reason, Verdict
from dfedge_server.heavy.fusion import DEVICE, Judged, device_opinion, fuse

SURE_FAKE, SURE_REAL, UNSURE = 0.95, 0.05, 0.6


@pytest.fixture
def said(analysis_maker: Any) -> Any:
    """What a model says that gives every frame the same score: FAKE from 80%, REAL up to 20%."""

    def judged(score: float, *, weight: float = 1.0, name: str = "m", **options: Any) -> Judged:
        analysis = analysis_maker.analysis("clip", [score] * 6, **options)
        card = msgspec.structs.replace(analysis.card, name=name)
        return Judged(card, weight, analysis.verdict)

    return judged


def test_one_opinion_stays_what_it_is(said: Any) -> None:
    """To the last digit, label and reasons too."""
    alone = said(0.937)
    judgement = fuse([alone], None, 0.5).judgement
    verdict = alone.verdict
    assert (verdict.label, verdict.fake_probability, verdict.confidence, verdict.reasons) == (
        judgement.label,
        judgement.fake_probability,
        judgement.confidence,
        judgement.reasons,
    )


def test_the_number_is_the_weighted_mean_of_log_odds(said: Any) -> None:
    """Three parts of 0.9 and one of 0.5: odds of 9 to the power of 3/4."""
    fused = fuse([said(0.9, weight=3.0), said(0.5)], None, 0.5)
    odds = 9**0.75
    assert fused.judgement.fake_probability == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert Label.FAKE is fused.judgement.label


def test_the_heaviest_model_that_could_judge_leads(said: Any, analysis_maker: Any) -> None:
    """Its thresholds give the label; the first of equals."""
    decision = analysis_maker.card().decision
    strict = msgspec.structs.replace(
        decision, fake=msgspec.structs.replace(decision.fake, threshold=0.99)
    )
    heavy = said(0.9, weight=2.0, name="strict")
    heavy = Judged(msgspec.structs.replace(heavy.card, decision=strict), 2.0, heavy.verdict)
    fused = fuse([said(0.9), heavy], None, 0.5)
    assert "strict" == fused.leading.card.name
    assert Label.UNCERTAIN is fused.judgement.label
    assert Thresholds(real=0.2, fake=0.99) == fused.thresholds
    assert "a" == fuse([said(0.9, name="a"), said(0.9, name="b")], None, 0.5).leading.card.name


def test_fake_against_real_is_uncertain(said: Any) -> None:
    """Whatever the weights; the number is still there, no side is taken."""
    judgement = fuse([said(SURE_FAKE, weight=9.0), said(SURE_REAL)], None, 0.5).judgement
    assert (Label.UNCERTAIN, None) == (judgement.label, judgement.confidence)
    assert (Reason.MODELS_DISAGREE,) == judgement.reasons
    assert judgement.fake_probability is not None


def test_the_device_shifts_and_never_decides(said: Any) -> None:
    """It counts with its weight, not against its own certainty, and is no disagreement."""
    heavy, device = said(UNSURE), said(SURE_REAL).verdict
    lower = fuse([heavy], device, 0.5).judgement.fake_probability
    assert lower is not None
    assert lower < UNSURE
    certain = msgspec.structs.replace(device, fake_probability=0.0)
    bounded = fuse([heavy], certain, 0.5).judgement.fake_probability
    odds = (math.log(UNSURE / (1 - UNSURE)) + 0.5 * math.log(0.01 / 0.99)) / 1.5
    assert bounded == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-6)
    assert Reason.MODELS_DISAGREE not in fuse([said(SURE_FAKE)], device, 0.5).judgement.reasons
    assert UNSURE == pytest.approx(fuse([heavy], device, 0.0).judgement.fake_probability)


def test_a_model_that_could_not_judge_has_no_vote(said: Any) -> None:
    """Its reasons are carried; the number is that of the others."""
    blind = said(SURE_REAL, weight=5.0, blurred=range(6))
    judgement = fuse([blind, said(SURE_FAKE)], None, 0.5).judgement
    assert Label.FAKE is judgement.label
    assert SURE_FAKE == pytest.approx(judgement.fake_probability)
    assert Reason.TOO_BLURRY in judgement.reasons
    assert Reason.SCORE_ABOVE_FAKE_THRESHOLD is judgement.reasons[0]


def test_where_none_could_judge_it_is_uncertain(said: Any) -> None:
    """For the reasons they had; the device cannot judge in their place."""
    blind = said(SURE_FAKE, blurred=range(6))
    judgement = fuse([blind, blind], said(SURE_FAKE).verdict, 0.5).judgement
    assert (Label.UNCERTAIN, None) == (judgement.label, judgement.confidence)
    assert blind.verdict.reasons == judgement.reasons


def test_no_face_stays_no_face(analysis_maker: Any, said: Any) -> None:
    """There is no number and no threshold."""
    analysis = analysis_maker.analysis("clip", [None] * 6)
    fused = fuse([Judged(analysis.card, 1.0, analysis.verdict)], said(SURE_FAKE).verdict, 0.5)
    assert (Label.NO_FACE, None) == (fused.judgement.label, fused.judgement.fake_probability)
    assert (Reason.NO_FACE,) == fused.judgement.reasons
    assert fused.thresholds is None


@pytest.mark.parametrize(
    "fields", [{"name": "<script>"}, {"version": "newest"}, {"sha256": "none"}, {"role": "heavy"}]
)
def test_a_model_no_device_can_have_is_not_named(said: Any, fields: dict[str, str]) -> None:
    """What the device says of its model is shown only where it can be one."""
    verdict: Verdict = said(SURE_FAKE).verdict
    good = ModelInfo(name="edge-model", version="0.1.0", sha256="ab" * 32, role="edge")
    (opinion, info) = device_opinion(msgspec.structs.replace(verdict, models=(good,)))
    assert ("edge-model", "edge", good) == (opinion.model, opinion.tier, info)
    bad = msgspec.structs.replace(good, **fields)
    (opinion, info) = device_opinion(msgspec.structs.replace(verdict, models=(bad,)))
    assert (DEVICE, None) == (opinion.model, info)
