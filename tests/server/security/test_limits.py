"""How often a key may ask."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dfedge_server.security.limits import RateLimiter


@dataclass
class Clock:
    """Time that goes on when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time now."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    """A limiter that reads that clock."""
    return RateLimiter(clock)


def test_a_minutes_worth_may_come_at_once_and_no_more(limiter: RateLimiter) -> None:
    """Ten of ten pass, counted down to 0; the eleventh is told when to come back."""
    standings = [limiter.take("a", 10) for _ in range(11)]
    assert list(range(9, -1, -1)) == [standing.remaining for standing in standings[:10]]
    assert [0.0] * 10 == [standing.retry_seconds for standing in standings[:10]]
    assert {
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "6",
    } == standings[10].headers()


def test_who_waits_as_told_is_let_pass(limiter: RateLimiter, clock: Clock) -> None:
    """Retry-After is long enough, and what was refused did not count."""
    for _ in range(3):
        limiter.take("a", 3)
    refused = [limiter.take("a", 3) for _ in range(5)][-1]
    clock.now += refused.retry_seconds
    assert 0.0 == limiter.take("a", 3).retry_seconds


def test_an_even_flow_within_the_limit_is_never_refused(limiter: RateLimiter, clock: Clock) -> None:
    """600 a minute at one in a tenth of a second, for two minutes."""
    for _ in range(1200):
        assert 0.0 == limiter.take("a", 600).retry_seconds
        clock.now += 0.1


def test_no_minute_lets_pass_twice_the_limit(limiter: RateLimiter, clock: Clock) -> None:
    """After a burst only what time gave back may be sent."""
    passed = 0
    for _ in range(600):
        passed += limiter.take("a", 10).retry_seconds == 0.0
        clock.now += 0.1
    assert 19 == passed  # ten at once, and nine that a minute but its last tenth gave back


def test_keys_do_not_use_up_each_others_share(limiter: RateLimiter) -> None:
    """One key that asks too often leaves another alone."""
    for _ in range(5):
        limiter.take("a", 1)
    assert 0.0 == limiter.take("b", 1).retry_seconds


def test_many_keys_do_not_grow_the_memory(limiter: RateLimiter, clock: Clock) -> None:
    """Counts that are used up go when there are many."""
    for number in range(25_000):
        limiter.take(f"address {number}", 60_000)
        clock.now += 0.01
    assert len(limiter._used_up_at) <= 10_000
