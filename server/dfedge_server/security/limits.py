"""How often a key may ask: an even flow with room for a burst of one minute's worth.

Each API process counts by itself, in memory: with N of them a key may ask up to N times as often.
The count is one number for each key, the time at which all it asked for would have been used up
(the generic cell rate algorithm, ATM Forum TM 4.0), so nothing has to be counted down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from litestar import Litestar

    from dfedge_server.security.principal import Principal
    from dfedge_server.services import Services

WINDOW_SECONDS = 60.0

_MOST_KEYS = 10_000
"""Counts kept at once; those that are used up are dropped beyond it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands after it asked.

    Attributes:
        limit: requests a minute.
        remaining: that it may send at once now.
        reset_seconds: until it may send ``limit`` again.
        retry_seconds: until it may send one again; 0 where this one was let pass.
    """

    limit: int
    remaining: int
    reset_seconds: float
    retry_seconds: float

    def headers(self) -> dict[str, str]:
        """``RateLimit-*``, and ``Retry-After`` where it was refused; whole seconds, rounded up."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_seconds)),
        }
        if self.retry_seconds > 0:
            told["Retry-After"] = str(math.ceil(self.retry_seconds))
        return told


class RateLimiter:
    """Counts requests of any number of keys; a store of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used_up_at: dict[str, float] = {}

    def take(self, key: str, limit: int) -> Standing:
        """Count a request of a key that may send ``limit`` a minute; one refused does not count."""
        now = self._clock()
        spacing = WINDOW_SECONDS / limit
        used_up_at = max(self._used_up_at.get(key, now), now) + spacing
        over = used_up_at - now - WINDOW_SECONDS
        if over > 1e-9:
            return Standing(limit, 0, used_up_at - spacing - now, over)
        self._make_room(now)
        self._used_up_at[key] = used_up_at
        remaining = int((-over + 1e-9) / spacing)
        return Standing(limit, remaining, used_up_at - now, 0.0)

    def _make_room(self, now: float) -> None:
        if len(self._used_up_at) >= _MOST_KEYS:
            kept = {key: at for key, at in self._used_up_at.items() if at > now}
            self._used_up_at = kept if len(kept) < _MOST_KEYS else {}


class RateLimitMiddleware:
    """Refuses what a key asks too often; place it after the one that finds the key.

    Litestar makes it anew for every route, so the limiter they share is given.

    Callers without any key are not counted: such routes are cheap, or refuse them; those that are
    open to them (``compat_without_key``) count by the address they come from.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        principal: Principal | None = scope.get("user")
        if scope["type"] != ScopeType.HTTP or principal is None:
            await self._app(scope, receive, send)
            return
        app: Litestar = scope["litestar_app"]
        services: Services = app.state.services
        limit = principal.requests_per_minute or services.settings.requests_per_minute
        standing = self._limiter.take(_counted_as(principal, scope), limit)
        if standing.retry_seconds > 0:
            raise TooManyRequestsException(
                f"this key may send {limit} requests a minute",
                headers=standing.headers(),
                extra={"code": "rate_limited"},
            )

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message).update(standing.headers())
            await send(message)

        await self._app(scope, receive, with_headers)


def _counted_as(principal: Principal, scope: Scope) -> str:
    if principal.key_id is not None:
        return str(principal.key_id)
    client = scope.get("client")
    return f"address {client[0]}" if client else "no address"
