"""Who sends a request: a key in a header, or an analyst's session cookie."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from dfedge_server.security.keys import authenticate, note_use
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.security.sessions import COOKIE, principal_of_cookie, refuse_other_sites

if TYPE_CHECKING:
    from dfedge_server.services import Services

WITHOUT_KEY = "without_key"
"""A route with ``opt={WITHOUT_KEY: True}`` answers callers without a key where the operator set
``compat_without_key``."""

NOBODY = Principal(None, "no key", "open", frozenset({Scope.ESCALATE, Scope.READ}))
"""Who they are then."""

USE_SECONDS = 60.0
"""How exact ``last_used_at`` is: no more than one write for each key in this time."""


class KeyMiddleware(AbstractAuthenticationMiddleware):
    """Puts a :class:`Principal` into ``request.user``, or None for a caller who shows nothing.

    A key that is wrong is refused everywhere; a cookie that has expired is as good as none, since
    pages then ask to sign in. What a route demands of the caller is for its guard to say.
    """

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Look the caller up."""
        services: Services = connection.app.state.services
        presented = _presented_key(connection)
        if presented is not None:
            async with services.db.reading() as session:
                principal = await authenticate(session, presented)
            if principal is None:
                raise NotAuthorizedException(
                    "this API key is unknown, revoked or expired",
                    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
                    extra={"code": "key_refused"},
                )
            await _note_use(services, principal.key_id)
            return AuthenticationResult(user=principal, auth="key")
        if cookie := connection.cookies.get(COOKIE):
            async with services.db.reading() as session:
                principal = await principal_of_cookie(session, cookie)
            if principal is not None:
                refuse_other_sites(connection)
                await _note_use(services, principal.key_id)
                return AuthenticationResult(user=principal, auth="session")
        if services.settings.compat_without_key and connection.route_handler.opt.get(WITHOUT_KEY):
            return AuthenticationResult(user=NOBODY, auth=None)
        return AuthenticationResult(user=None, auth=None)


def _presented_key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The key of ``Authorization: Bearer`` or ``X-API-Key``."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return connection.headers.get("x-api-key") or None


_last_noted: dict[UUID, float] = {}


async def _note_use(services: Services, key_id: UUID | None) -> None:
    """Write that a key was used, unless that was just done by this process."""
    now = time.monotonic()
    if key_id is None or now - _last_noted.get(key_id, -USE_SECONDS) < USE_SECONDS:
        return
    _last_noted[key_id] = now
    async with services.db.session() as session:
        await note_use(session, key_id)
