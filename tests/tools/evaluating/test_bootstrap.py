"""Weighted figures against scikit-learn, and intervals against a truth that is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

from dfedge_tools.evaluating.bootstrap import (
    Units,
    draws,
    group_numbers,
    probability_figures,
    ranking_figures,
    threshold_figures,
)
from dfedge_tools.evaluating.estimates import (
    auc_interval,
    binomial_interval,
    difference,
    estimates,
    share,
    standard_figures,
)
from dfedge_tools.evaluating.metrics import expected_calibration_error


def simulated(seed: int, *, people: int = 40, each: int = 3, gap: float = 1.0) -> Units:
    """People who differ from one another, genuine and fake by turns, scores rounded into ties."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(people), each)
    labels = rng.integers(0, 2, len(groups))
    scores = np.round(rng.normal(0, 0.7, people)[groups] + rng.normal(gap * labels, 1.0), 1)
    return Units(labels, scores, 1 / (1 + np.exp(-scores)), groups)


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_those_of_scikit_learn(weighted: bool) -> None:
    """Alike to rounding, ties and weights included."""
    units = simulated(1)
    weights = np.ones(len(units))
    if weighted:
        weights = next(draws(units.groups, rounds=3, seed=5))[2]
    truth, stated = units.labels, units.probabilities
    called = stated >= 0.6
    kept: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {"sample_weight": weights}
    wanted = {
        "auc": oracle.roc_auc_score(truth, units.scores, **kept),
        "ap": oracle.average_precision_score(truth, units.scores, **kept),
        "log_loss": oracle.log_loss(truth, stated, **kept),
        "brier": oracle.brier_score_loss(truth, stated, **kept),
        "accuracy": oracle.accuracy_score(truth, called, **kept),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, called, **kept),
        "precision": oracle.precision_score(truth, called, **kept),
        "recall": oracle.recall_score(truth, called, **kept),
        "f1": oracle.f1_score(truth, called, **kept),
    }
    row = weights[np.newaxis]
    found = {
        **ranking_figures(units, row),
        **probability_figures(units, row),
        **threshold_figures(units, row, 0.6),
    }
    assert pytest.approx(wanted) == {name: float(found[name][0]) for name in wanted}


def test_points_of_the_curve_by_hand() -> None:
    """20 genuine scores of 0 to 19 and fakes at 18.5 and 30: one is missed at no false alarm."""
    scores = np.array([*range(20), 18.5, 30.0])
    labels = np.array([0] * 20 + [1, 1])
    units = Units(labels, scores, np.full(22, 0.5), np.arange(22))
    found = ranking_figures(units, np.ones((1, 22)))
    assert pytest.approx(0.5) == float(found["fnr_at_fpr_1"][0])
    assert pytest.approx(0.0) == float(found["fnr_at_fpr_5"][0])
    assert pytest.approx(0.05) == float(found["fpr_at_fnr_5"][0])


def test_equal_error_rate_by_hand() -> None:
    """One of four fakes below one of four genuine: both shares are a quarter."""
    scores = np.array([0.1, 0.2, 0.3, 0.8, 0.4, 0.9, 1.0, 1.1])
    units = Units(np.array([0, 0, 0, 0, 1, 1, 1, 1]), scores, scores / 2, np.arange(8))
    assert pytest.approx(0.25) == float(ranking_figures(units, np.ones((1, 8)))["eer"][0])


def test_calibration_error_is_the_one_training_reports() -> None:
    """Both classes weigh the same in either form."""
    units = simulated(2)
    found = probability_figures(units, np.ones((1, len(units))))["ece"][0]
    wanted = expected_calibration_error(units.labels.tolist(), units.probabilities.tolist(), bins=5)
    assert pytest.approx(wanted) == float(found)


def test_rounds_draw_whole_groups() -> None:
    """Units of one group weigh the same in every round, and each round has as many groups."""
    groups = group_numbers(["b", "a", "b", "c", "a"])
    weights = np.concatenate(list(draws(groups, rounds=50, seed=0)))
    assert (50, 5) == weights.shape
    assert (weights[:, 0] == weights[:, 2]).all()
    assert {3.0} == set((weights[:, 0] + weights[:, 1] + weights[:, 3]).tolist())


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 60 simulated data sets some 95% of intervals hold the AUC of a very large one."""
    truth = float(
        ranking_figures(big := simulated(99, people=20000), np.ones((1, len(big))))["auc"][0]
    )
    held = 0
    for seed in range(60):
        found = estimates(simulated(seed, people=60), ranking_figures, least=5, rounds=200)["auc"]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 52 <= held <= 60


def test_a_class_that_lacks_leaves_no_number() -> None:
    """Only genuine units: false alarms can be told, an AUC cannot, and nothing warns."""
    units = Units(np.zeros(8, np.int64), np.arange(8.0), np.linspace(0, 0.9, 8), np.arange(8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimates(units, standard_figures, least=5)
    assert (None, "0 fake, at least 5 are needed") == (found["auc"].value, found["auc"].why)
    assert (None, None) == (found["recall"].value, found["precision"].value)
    assert pytest.approx(0.5) == found["fpr"].value


def test_rare_points_ask_for_enough_units() -> None:
    """No point of 1% false alarms among 60 genuine units."""
    found = estimates(simulated(3, people=40), ranking_figures, least=5)
    assert "at least 100 are needed" in found["fnr_at_fpr_1"].why
    assert found["fnr_at_fpr_5"].value is not None


def test_few_people_have_no_interval() -> None:
    """Four identities have a value, and a reason for the interval they lack."""
    found = estimates(simulated(4, people=4, each=20), ranking_figures, least=5)["auc"]
    assert found.value is not None
    assert (None, None) == (found.low, found.high)
    assert "4 identities" in found.why


def test_no_false_alarm_is_no_proof() -> None:
    """0 of 15: up to a fifth is possible; the textbook interval of 8 of 10."""
    found = share(np.zeros(15, np.bool_), np.arange(15), least=1, what="clips")
    assert pytest.approx((0.0, 0.0, 0.2180), abs=1e-4) == (found.value, found.low, found.high)
    assert pytest.approx((0.4439, 0.9748), abs=1e-4) == binomial_interval(8, 10)
    assert found == share(np.zeros(15, np.bool_), np.repeat(range(5), 3), least=1, what="clips")


def test_difference_of_equal_scores_is_none() -> None:
    """The same units twice differ by exactly nothing; worse ones by less than nothing, surely."""
    clean = simulated(5, people=80, gap=3.0)
    same = difference(clean, clean, least=5)
    assert (0.0, 0.0, 0.0) == (same.value, same.low, same.high)
    noise = np.random.default_rng(0).normal(0, 6, len(clean))
    worse = Units(clean.labels, clean.scores + noise, clean.probabilities, clean.groups)
    found = difference(clean, worse, least=5)
    assert found.high is not None
    assert found.high < 0


def test_a_perfect_order_is_no_proof() -> None:
    """Of four fakes above three genuine clips every round makes 1, and the interval is wide."""
    scores = np.array([0.0, 1, 2, 3, 4, 5, 6])
    units = Units(np.array([0, 0, 0, 1, 1, 1, 1]), scores, scores / 6, np.arange(7))
    found = estimates(units, least=3)
    assert found["auc"].low is not None
    assert (1.0, 1.0) == (found["auc"].value, found["auc"].high)
    assert 0.4 < found["auc"].low < 0.8
    assert (0.0, None) == (found["eer"].value, found["eer"].high)
    assert "says the same" in found["eer"].why


def test_auc_interval_is_symmetric_and_narrows() -> None:
    """Chance has an interval about one half; a hundred times the clips, a tenth of the width."""
    low, high = auc_interval(0.5, 20, 20)
    assert pytest.approx(1.0) == low + high
    far_low, far_high = auc_interval(0.5, 2000, 2000)
    assert pytest.approx((high - low) / 10, rel=0.1) == far_high - far_low
