"""Thresholds that keep their promise to new scores."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge_tools.deciding.conformal import (
    identity_weights,
    lower_threshold,
    measured_share,
    smallest_promise,
    upper_threshold,
)


def _names(count: int) -> list[str]:
    return [f"p{n}" for n in range(count)]


def test_among_single_scores_it_is_the_plain_rule() -> None:
    """Of 99 scores one in twenty may be passed: the threshold is the fifth highest."""
    scores = np.arange(99.0)
    assert 94.0 == upper_threshold(scores, _names(99), 0.05)
    assert 4.0 == lower_threshold(scores, _names(99), 0.05)


@pytest.mark.parametrize(("count", "share"), [(19, 0.04), (15, 0.01), (1, 0.4)])
def test_too_few_scores_give_the_highest(count: int, share: float) -> None:
    """What n cannot support is widened to 1 in n + 1, which the highest score keeps."""
    assert smallest_promise(count) > share
    assert count - 1.0 == upper_threshold(np.arange(float(count)), _names(count), share)


def test_the_smallest_promise_is_just_supported() -> None:
    """With 19 people 5% can be promised, by the highest score; a second may pass from 10%."""
    assert 18.0 == upper_threshold(np.arange(19.0), _names(19), 0.05)
    assert 17.0 == upper_threshold(np.arange(19.0), _names(19), 0.10)


def test_equal_scores_are_not_passed() -> None:
    """A threshold on a tie lies at it: strictly above there is nothing."""
    assert 1.0 == upper_threshold(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), _names(5), 0.4)


def test_a_person_counts_once() -> None:
    """Ten clips of one person weigh what one of another does."""
    identities = ["a"] * 10 + ["b", "c"]
    weights = identity_weights(identities)
    assert pytest.approx(0.25) == weights[:10].sum()
    assert pytest.approx([0.25, 0.25]) == weights[10:]
    scores = np.array([*np.full(10, 9.0), 1.0, 2.0])
    assert 9.0 == upper_threshold(scores, identities, 0.25)
    assert 2.0 == upper_threshold(scores, identities, 0.5)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_new_people_pass_it_no_more_often_than_promised(share: float) -> None:
    """Over many draws of people with several alike clips each, the mean share is under it."""
    rng = np.random.default_rng(0)
    people, clips = 60, 3
    owners = [f"p{n}" for n in range(people) for _ in range(clips)]
    passed = []
    for _ in range(1500):
        scores = np.repeat(rng.normal(size=people), clips) + 0.2 * rng.normal(size=len(owners))
        new = rng.normal() + 0.2 * rng.normal()
        passed.append(new > upper_threshold(scores, owners, share))
    noise = 3 * np.sqrt(share / 1500)
    assert np.mean(passed) <= share + noise
    assert np.mean(passed) >= share - 1 / (people + 1) - noise, "no wider than it need be"


def test_a_measured_share_counts_people() -> None:
    """One of two clips of one of four people: an eighth, with the interval of four trials."""
    found = measured_share([True, False, False, False, False], ["a", "a", "b", "c", "d"])
    assert (0.125, 5, 4) == (found.value, found.count, found.identities)
    assert found.low < 0.125 < found.high < 1


def test_nothing_measured_of_few_is_not_nothing() -> None:
    """None of ten people: the interval reaches to 31%, as Clopper and Pearson have it."""
    found = measured_share([False] * 10, _names(10))
    assert (0.0, 0.0) == (found.value, found.low)
    assert pytest.approx(0.3085, abs=1e-4) == found.high
    assert 1.0 == measured_share([True] * 10, _names(10)).high
