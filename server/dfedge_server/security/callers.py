"""Callers whose key was good a moment ago, so that not every request asks the database."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from dfedge_server.security.principal import Principal

MOST: Final = 10_000
"""Keys remembered; beyond that all are forgotten."""


class KnownCallers:
    """Remembers for `seconds` whom a key stands for; 0 remembers nothing. Of one event loop.

    A key that is revoked, rotated or expires is thus believed for so much longer, by each process.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[bytes, tuple[Principal, float]] = {}

    def find(self, presented: str) -> Principal | None:
        """Whom it stood for lately."""
        principal, until = self._known.get(_digest(presented), (None, 0.0))
        return principal if time.monotonic() < until else None

    def remember(self, presented: str, principal: Principal) -> None:
        """It was good just now."""
        if self._seconds <= 0:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[_digest(presented)] = (principal, time.monotonic() + self._seconds)


def _digest(presented: str) -> bytes:
    """What is kept in place of the key."""
    return hashlib.sha256(presented.encode()).digest()
