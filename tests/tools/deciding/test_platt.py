"""Temperature and bias, and how far to believe them."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge_tools.deciding.platt import (
    FITS,
    Fit,
    calibration_error,
    cross_calibrated,
    fit_brier,
    fit_platt,
)


@pytest.mark.parametrize("fit", ["likelihood", "brier"])
def test_known_slope_is_found(fit: Fit) -> None:
    """Two normal classes of spread 1 at -1 and 1 have the true slope 2 and bias 0."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], 20_000)
    slope, bias = FITS[fit](rng.normal(2 * labels - 1, 1.0), labels)
    assert pytest.approx(2.0, abs=0.06) == slope
    assert pytest.approx(0.0, abs=0.04) == bias


def test_share_of_fakes_does_not_matter() -> None:
    """Nine fakes for each genuine clip do not make every clip likelier to be fake."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], [2_000, 18_000])
    _, bias = fit_platt(rng.normal(2 * labels - 1, 1.0), labels)
    assert pytest.approx(0.0, abs=0.1) == bias


def test_brier_minds_outliers_less() -> None:
    """A few fakes with very low scores flatten the slope of likelihood more."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], 300)
    logits = rng.normal(4 * labels - 2, 1.0)
    logits[-6:] = -12.0
    assert fit_brier(logits, labels)[0] > 1.5 * fit_platt(logits, labels)[0]


def test_one_class_is_refused() -> None:
    """Fakes alone cannot calibrate."""
    with pytest.raises(ValueError, match="needs both classes"):
        fit_platt(np.zeros(3), np.ones(3))


def test_the_honest_error_is_that_of_people_left_out() -> None:
    """Scores that tell nothing but of whose clip it is look calibrated only where fitted."""
    labels = np.tile([0.0, 1.0], 15)
    people = [f"p{n // 2}" for n in range(30)]
    rng = np.random.default_rng(1)
    found = [calibration_error(rng.normal(size=30), labels, people) for _ in range(30)]
    honest, fitted = (
        np.mean([getattr(each, name) for each in found]) for name in ("cross_validated", "fitted")
    )
    assert honest > 1.2 * fitted


def test_a_person_is_judged_without_own_clips() -> None:
    """Changing the labels of one person changes nothing of what is stated of that person."""
    rng = np.random.default_rng(1)
    labels = np.tile([0.0, 1.0], 20)
    people = [f"p{n // 2:02}" for n in range(40)]
    logits = rng.normal(labels, 1.0)
    first = cross_calibrated(logits, labels, people)
    turned = labels.copy()
    turned[:2] = 1 - turned[:2]
    second = cross_calibrated(logits, turned, people)
    assert first[:2].tolist() == second[:2].tolist()
    assert first[10] != second[10]


def test_right_probabilities_of_few_clips_show_an_error_by_chance() -> None:
    """The fewer clips, the larger the error that means nothing."""
    rng = np.random.default_rng(0)
    chances = []
    for count in (40, 4000):
        labels = np.tile([0.0, 1.0], count // 2)
        logits = rng.normal(2 * labels - 1, 1.0)
        chances.append(calibration_error(logits, labels, list(map(str, range(count)))).chance)
    assert chances[0] > 5 * chances[1]
