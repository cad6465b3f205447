"""Everything that is told of a table of scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dfedge.bundles.card import OperatingPoint
from dfedge_tools.evaluating.card_metrics import card_metrics
from dfedge_tools.evaluating.estimates import binomial_interval
from dfedge_tools.evaluating.evaluation import About, AlarmLimits, Rule, evaluate
from dfedge_tools.evaluating.inputs import Clip
from dfedge_tools.evaluating.results import Evaluation
from dfedge_tools.evaluating.robustness import compare, stratified
from dfedge_tools.evaluating.scores import Labelled, Scored, ScoreTable
from dfedge_tools.evaluating.text import render
from dfedge_tools.evaluating.units import NO_CARD, judge_videos

from .conftest import row

ABOUT = About(("clips val",), "dfedge evaluate", datetime(2026, 11, 21, tzinfo=UTC))
BAND = Rule(
    type(NO_CARD)(
        calibration=NO_CARD.calibration,
        fake=OperatingPoint(threshold=0.9, meaning="by hand"),
        real=OperatingPoint(threshold=0.1, meaning="by hand"),
        quality=NO_CARD.quality,
        min_usable_frames=1,
    )
)


def clips() -> list[Scored]:
    """Ten people with a genuine clip, a good and a bad fake, in two compressions."""
    frames = []
    for n in range(10):
        rate, known = ("c23", "c40")[n % 2], {"identity": f"{n:03d}"}
        frames += [
            row(f"r{n}", 0, -3.0 + n / 10, compression=rate, **known),
            row(f"d{n}", 1, 3.0 + n / 10, compression=rate, **known),
            row(f"t{n}", 1, -2.55, method="NeuralTextures", compression=rate, **known),
        ]
    sized = [replace(f, face_pixels=50.0 + 60 * (n % 3)) for n, f in enumerate(frames)]
    return [replace(f, sharpness=40.0 + n * 30, brightness=100.0) for n, f in enumerate(sized)]


def stills() -> list[Scored]:
    """Fifty of a source, of which one is called FAKE, and ten of another."""
    one = [row(f"a{n}", 0, 4.0 if n == 0 else -4.0, split="held", source="aaf") for n in range(50)]
    return one + [row(f"m{n}", 0, -4.0, split="held", source="meb") for n in range(10)]


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """The evaluation of both."""
    table = ScoreTable((*clips(), *stills()))
    return evaluate(table, BAND, ABOUT, limits=AlarmLimits(0.02, 0.01))


def test_stills_count_for_false_alarms_only(found: Evaluation) -> None:
    """Levels are of the clips; every level has its own units."""
    levels = {level.level: (level.fakes, level.reals, level.identities) for level in found.levels}
    assert {"frame": (20, 10, 10), "video": (20, 10, 10), "identity": (10, 10, 10)} == levels
    assert 90 == found.frames


def test_groups_have_their_own_figures(found: Evaluation) -> None:
    """Methods against all genuine clips; compressions and sizes within themselves."""
    by_name = {(group.by, group.name): group for group in found.groups}
    assert (1.0, 10, 10) == (
        by_name["method", "Deepfakes"].figures["auc"].value,
        by_name["method", "Deepfakes"].fakes,
        by_name["method", "Deepfakes"].reals,
    )
    assert 0.5 == by_name["method", "NeuralTextures"].figures["auc"].value
    assert (10, 5) == (by_name["compression", "c23"].fakes, by_name["compression", "c23"].reals)
    sizes = [group.name for group in found.groups if group.by == "face size"]
    assert ["under 64", "96 to 128", "128 to 192"] == sizes
    assert {"sharpness"} <= {group.by for group in found.groups}
    assert "light" not in {group.by for group in found.groups}, "it is the same for all"


def test_a_group_without_a_class_has_no_auc(found: Evaluation) -> None:
    """Faces of 50 pixels are all genuine here."""
    small = next(group for group in found.groups if group.name == "under 64")
    assert (None, "0 fake, at least 3 are needed") == (
        small.figures["auc"].value,
        small.figures["auc"].why,
    )


def test_labels_are_shared_out(found: Evaluation) -> None:
    """By method and by source of stills, all four labels."""
    called = {
        row.name: {name: share.value for name, share in row.called.items()} for row in found.shares
    }
    assert {"FAKE": 1.0, "UNCERTAIN": 0.0, "REAL": 0.0, "NO_FACE": 0.0} == called["Deepfakes"]
    assert called["aaf"]["FAKE"] == pytest.approx(0.02)
    assert 1.0 == called["NeuralTextures"]["REAL"]


def test_what_is_decided_and_how_wrong(found: Evaluation) -> None:
    """All Deepfakes, all NeuralTextures and nine genuine clips get a side; ten are wrong."""
    assert found.selective.coverage.value == pytest.approx(29 / 30)
    assert found.selective.error.value == pytest.approx(10 / 29)


def test_false_alarms_and_their_limits(found: Evaluation) -> None:
    """One of 60 is kept, one of 50 is not where a hundredth is allowed; exact intervals."""
    told = [(r.source, r.called_fake, r.count, r.limit, r.exceeded) for r in found.false_alarms]
    assert [
        ("all", 1, 60, 0.02, False),
        ("aaf", 1, 50, 0.01, True),
        ("meb", 0, 10, 0.01, False),
    ] == told
    assert ("aaf",) == tuple(row.source for row in found.exceeded)
    assert binomial_interval(1, 50) == (
        found.false_alarms[1].share.low,
        found.false_alarms[1].share.high,
    )


def test_mistakes_are_the_worst_first(found: Evaluation) -> None:
    """The still that was called FAKE, then the fakes that look genuine."""
    assert ["a0", "t0"] == [each.video_id for each in found.mistakes[:2]]
    assert 11 == len(found.mistakes)


def test_reliability_bins_weigh_both_classes_the_same(found: Evaluation) -> None:
    """In the lowest bin lie ten genuine clips and ten fakes: half of the fakes, all the others."""
    lowest = found.reliability[0]
    assert (20, pytest.approx(1 / 3)) == (lowest.count, lowest.observed)
    assert None is found.reliability[2].stated


def test_text_tells_the_same(found: Evaluation) -> None:
    """Levels, groups, false alarms and what is not defined."""
    told = render(found)
    assert "20 fake, 10 genuine" in told
    assert "aaf: 1 of 50 genuine called FAKE, 2.0% (0.1% to 10.6%), limit 1.0%: EXCEEDED" in told
    assert "no source above 2.0%" in told
    assert "FNR at FPR 1% of each video: 10 genuine, at least 100 are needed" in told


def test_the_card_gets_numbers_only(found: Evaluation) -> None:
    """Figures that are not defined are left out; names and subsets are those of other cards."""
    metrics = card_metrics(found, clips="clips val", stills="portraits")
    named = {(metric.name, metric.subset): metric for metric in metrics}
    assert (0.75, 30, "clips val") == (
        named["video_auc", "all"].value,
        named["video_auc", "all"].count,
        named["video_auc", "all"].data,
    )
    assert 0.5 == named["video_auc", "NeuralTextures"].value
    assert (0.02, "portraits") == (
        named["called_fake", "aaf"].value,
        named["called_fake", "aaf"].data,
    )
    assert ("video_auc_low_95", "all") in named


def test_nothing_but_faceless_frames_is_no_figure() -> None:
    """Every level is missing, and what was called is told."""
    lost = tuple(Labelled(f"v{n}", n % 2, "", "", "x", "") for n in range(6))
    found = evaluate(ScoreTable((), lost), Rule(NO_CARD), ABOUT)
    assert () == found.levels
    assert 1.0 == found.shares[0].called["NO_FACE"].value
    assert "there is no figure to tell" in render(found)


def test_robustness_pairs_the_same_videos() -> None:
    """A video whose face is lost is counted, and compared on neither side."""
    table = ScoreTable(tuple(clips()))
    before = judge_videos(table, NO_CARD)
    worse = tuple(replace(f, logit=-f.logit) for f in table.frames if f.video_id != "d9")
    lost = Labelled("d9", 1, "Deepfakes", "c40", "ffpp", "val", identity="009")
    after = judge_videos(ScoreTable(worse, (lost,)), NO_CARD)
    result = compare("JPEG quality", 10, before, after, least=3)
    clean = evaluate(
        ScoreTable(tuple(f for f in table.frames if f.video_id != "d9")), Rule(NO_CARD), ABOUT
    )
    level = clean.level("video")
    assert level is not None
    auc = level.figures["auc"].value
    assert auc is not None
    assert (30, 1) == (result.videos, result.lost)
    assert result.auc.value == pytest.approx(1 - auc)
    assert result.change.value == pytest.approx(1 - 2 * auc)
    assert result.called["NO_FACE"] == pytest.approx(1 / 30)


def test_a_sample_takes_from_everything_in_turn() -> None:
    """Half fake, half genuine where there are enough, all methods; the same every time."""
    everything = [Clip(frame) for frame in clips()]
    chosen = stratified(everything, 8)
    assert [0, 0, 0, 0, 1, 1, 1, 1] == sorted(clip.row.label for clip in chosen)
    assert {"original", "Deepfakes", "NeuralTextures"} == {clip.row.method for clip in chosen}
    assert {"c23", "c40"} == {clip.row.compression for clip in chosen}
    assert chosen == stratified(everything, 8)
    assert chosen != stratified(everything, 8, seed=1)
    assert everything == stratified(everything, 100)
