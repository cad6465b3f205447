"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import pytest

from dfedge_tools.evaluating.metrics import (
    Scored,
    auc,
    auc_table,
    bootstrap_interval,
    expected_calibration_error,
    videos,
)


def _scored(video: str, label: int, logit: float, method: str, rate: str = "c23") -> Scored:
    return Scored(video, label, method, rate, "ffpp", "val", logit)


def test_auc_by_hand() -> None:
    """Of four pairs three are in order: 0.75."""
    assert 0.75 == auc([1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1])


def test_auc_ties_count_half() -> None:
    """One pair in order, one tied: 0.75; all tied: 0.5."""
    assert 0.75 == auc([1, 0, 0], [0.5, 0.5, 0.1])
    assert 0.5 == auc([1, 0, 1, 0], [2.0, 2.0, 2.0, 2.0])


def test_auc_needs_both_classes() -> None:
    """Without genuine samples there is no AUC, not a number."""
    with pytest.raises(ValueError, match="2 fake and 0 genuine"):
        auc([1, 1], [0.1, 0.2])


def test_video_score_is_the_mean_logit() -> None:
    """Two frames of one video become one score, their mean."""
    frames = [_scored("a", 1, 1.0, "Deepfakes"), _scored("a", 1, 3.0, "Deepfakes")]
    assert [("a", 2.0)] == [(v.video_id, v.logit) for v in videos(frames)]


def test_table_by_method_and_compression() -> None:
    """Each method is set against all genuine clips, each compression against its own."""
    scored = [
        _scored("r23", 0, 0.0, "original"),
        _scored("r40", 0, 2.0, "original", "c40"),
        _scored("d23", 1, 1.0, "Deepfakes"),
        _scored("f40", 1, 3.0, "FaceSwap", "c40"),
    ]
    expected = {"all": 0.75, "Deepfakes": 0.5, "FaceSwap": 1.0, "c23": 1.0, "c40": 1.0}
    assert expected == auc_table(scored)


def test_calibration_error_by_hand() -> None:
    """One fake and one genuine clip at 0.9 in place of 0.5, one of each at 0.1: 0.4."""
    error = expected_calibration_error([1, 0, 1, 0], [0.9, 0.9, 0.1, 0.1], bins=10)
    assert pytest.approx(0.4) == error


def test_calibration_error_ignores_the_mix() -> None:
    """Repeating every fake three times does not change the error."""
    labels, stated = [1, 1, 0, 0], [0.95, 0.4, 0.3, 0.05]
    once = expected_calibration_error(labels, stated)
    more = expected_calibration_error([*labels, 1, 1, 1, 1], [*stated, 0.95, 0.95, 0.4, 0.4])
    assert pytest.approx(once) == more


def test_bootstrap_holds_the_estimate() -> None:
    """The interval holds the AUC of all data, and is the same for the same seed."""
    scored = [
        _scored(f"v{n}", n % 2, (n % 2) * 0.8 + (n * 37 % 11) / 10, "Deepfakes") for n in range(40)
    ]
    groups = {s.video_id: s.video_id for s in scored}
    low, high = bootstrap_interval(scored, groups, rounds=200, seed=1)
    assert low <= auc_table(scored)["all"] <= high
    assert (low, high) == bootstrap_interval(scored, groups, rounds=200, seed=1)
