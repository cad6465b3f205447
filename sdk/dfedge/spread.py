"""A bounded choice from a row of unknown length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Spread(Generic[_Item]):
    """At most ``most`` items of a row, evenly spread over all of it.

    Attributes:
        items: those kept, in order; at least half of ``most`` once so many were offered.
    """

    def __init__(self, most: int) -> None:
        self.items: list[_Item] = []
        self._most = most
        self._stride = 1
        self._offered = 0

    def offer(self, make: Callable[[], _Item]) -> None:
        """Offer the next item; it is made only when it is kept."""
        if self._offered % self._stride == 0:
            self.items.append(make())
            if len(self.items) > self._most:
                self.thin()
        self._offered += 1

    def thin(self) -> None:
        """Let go of every second item, and take half as many from now on."""
        self.items = self.items[::2]
        self._stride *= 2


def evenly(count: int, wanted: int) -> list[int]:
    """The centres of ``wanted`` equal parts of ``range(count)``, in order.

    Numbers repeat where there are fewer than wanted.
    """
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]
