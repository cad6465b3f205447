"""Who sends a request: a key in a header, or an analyst's session cookie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from dfedge_server.security.keys import live_key, note_use, principal_of
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.security.sessions import COOKIE, live_session, refuse_other_sites

if TYPE_CHECKING:
    from dfedge_server.db.models import ApiKey
    from dfedge_server.services import Services

WITHOUT_KEY = "without_key"
"""A route with ``opt={WITHOUT_KEY: True}`` answers callers without a key where the operator set
``compat_without_key``."""

NOBODY = Principal(None, "no key", "open", frozenset({Scope.ESCALATE}))
"""Who they are then."""

USE_EVERY = timedelta(minutes=1)
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
            return AuthenticationResult(user=await _by_key(services, presented), auth="key")
        if value := connection.cookies.get(COOKIE):
            principal = await _by_cookie(services, value)
            if principal is not None:
                refuse_other_sites(connection)
                return AuthenticationResult(user=principal, auth="session")
        if services.settings.compat_without_key and connection.route_handler.opt.get(WITHOUT_KEY):
            return AuthenticationResult(user=NOBODY, auth=None)
        return AuthenticationResult(user=None, auth=None)


async def _by_key(services: Services, presented: str) -> Principal:
    if (known := services.callers.find(presented)) is not None:
        return known
    async with services.db.reading() as session:
        row = await live_key(session, presented)
    if row is None:
        raise NotAuthorizedException(
            "this API key is unknown, revoked or expired",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            extra={"code": "key_refused"},
        )
    await _note_use(services, row)
    principal = principal_of(row)
    services.callers.remember(presented, principal)
    return principal


async def _by_cookie(services: Services, value: str) -> Principal | None:
    async with services.db.reading() as session:
        found = await live_session(session, value)
    if found is None:
        return None
    row, key = found
    await _note_use(services, key)
    return principal_of(key, who=row.who)


async def _note_use(services: Services, row: ApiKey) -> None:
    """Write that a key was used, unless that was just written."""
    if row.last_used_at is None or datetime.now(UTC) - row.last_used_at >= USE_EVERY:
        async with services.db.session() as session:
            await note_use(session, row.id)


def _presented_key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The key of ``Authorization: Bearer`` or ``X-API-Key``."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return connection.headers.get("x-api-key") or None
