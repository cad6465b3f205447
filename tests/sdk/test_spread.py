"""A bounded choice from a row of unknown length."""

from __future__ import annotations

import pytest

from dfedge.spread import Spread, evenly


@pytest.mark.parametrize("length", [0, 1, 12, 13, 24, 25, 1000])
def test_a_spread_is_bounded_and_covers_the_row(length: int) -> None:
    """Short rows are whole; long ones are evenly thinned to at least half of what is allowed."""
    spread: Spread[int] = Spread(12)
    for number in range(length):
        spread.offer(lambda number=number: number)  # type: ignore[misc]
    if length <= 12:
        assert spread.items == list(range(length))
        return
    steps = {after - before for before, after in zip(spread.items, spread.items[1:], strict=False)}
    assert len(steps) == 1
    assert 6 <= len(spread.items) <= 12
    assert length - spread.items[-1] <= 2 * steps.pop()


def test_what_is_not_kept_is_not_made() -> None:
    """A picture costs time: of a thousand only few are cut."""
    made: list[int] = []
    spread: Spread[int] = Spread(4)
    for number in range(1000):
        spread.offer(lambda number=number: made.append(number) or number)  # type: ignore[misc,func-returns-value]
    assert len(made) < 40


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(8, 4, [1, 3, 5, 7]), (4, 4, [0, 1, 2, 3]), (1, 3, [0, 0, 0]), (2, 4, [0, 0, 1, 1])],
)
def test_evenly_takes_the_middle_of_equal_parts(
    count: int, wanted: int, expected: list[int]
) -> None:
    """In order; numbers repeat where there are fewer than wanted."""
    assert evenly(count, wanted) == expected
