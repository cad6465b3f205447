"""Results in order, while servers still work on some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Final

from dfedge.analysis import Result
from dfedge.escalation.http import Stop

MOST_WAITING: Final = 4
"""Sources that may wait for the server while the next one is looked at."""
TICK_SECONDS: Final = 0.5


def overlapped(
    steps: Iterable[Result | Callable[[], Result]],
    *,
    stop: Stop,
    waiting: Callable[[int], None] = lambda place: None,
) -> Iterator[Result]:
    """Each step's result, in order: at once, or by a function that is run in a thread.

    Args:
        steps: taken in the caller's thread, at most :data:`MOST_WAITING` functions ahead.
        stop: set when the caller leaves early, before the threads are waited for.
        waiting: told the place of the step that is waited for, twice a second.
    """
    ahead: deque[Result | Future[Result]] = deque()
    given = 0
    with ThreadPoolExecutor(MOST_WAITING, thread_name_prefix="dfedge-escalation") as pool:
        try:
            for step in steps:
                ahead.append(pool.submit(step) if callable(step) else step)
                while ahead and _may_be_given(ahead):
                    yield _taken(ahead.popleft(), partial(waiting, given))
                    given += 1
            while ahead:
                yield _taken(ahead.popleft(), partial(waiting, given))
                given += 1
        finally:
            stop.set()


def _may_be_given(ahead: deque[Result | Future[Result]]) -> bool:
    """Whether the first is there, or so many wait that it must be waited for."""
    first = ahead[0]
    if not isinstance(first, Future) or first.done():
        return True
    return sum(isinstance(item, Future) and not item.done() for item in ahead) >= MOST_WAITING


def _taken(item: Result | Future[Result], waiting: Callable[[], None]) -> Result:
    if not isinstance(item, Future):
        return item
    while not item.done():
        waiting()
        wait([item], timeout=TICK_SECONDS)
    return item.result()
